-- What one call costs never adds two currencies.
with prices as (
    select * from {{ ref('prices') }}
),

final as (
    select
        catalogue,
        source_name,
        provider,
        region,
        model_pattern
    from prices
    group by
        catalogue,
        source_name,
        provider,
        region,
        model_pattern
    having count(distinct currency) > 1
)

select * from final
