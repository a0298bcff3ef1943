-- What the seed source_roles does not name counts nowhere.
with source_roles as (
    select * from {{ ref('int_source_roles') }}
),

final as (
    select
        vendor,
        source_name
    from source_roles
    where
        role is null
        or rollup_from is null
        or counts_in_totals is null
)

select * from final
