-- Two claims that name the same fields never hold on the same day: neither would win.
with claims as (
    select
        *,
        row_number() over (
            order by
                team,
                source_name,
                account_id,
                app_name,
                api_key_name,
                valid_from,
                valid_to
        ) as claim
    from {{ ref('owners') }}
),

final as (
    select
        one.team,
        other.team as other_team,
        one.source_name,
        one.account_id,
        one.app_name,
        one.api_key_name
    from claims as one
    inner join claims as other
        on
            one.claim < other.claim
            and one.source_name is not distinct from other.source_name
            and one.account_id is not distinct from other.account_id
            and one.app_name is not distinct from other.app_name
            and one.api_key_name is not distinct from other.api_key_name
            and coalesce(one.valid_from < other.valid_to, true)
            and coalesce(one.valid_to > other.valid_from, true)
)

select * from final
