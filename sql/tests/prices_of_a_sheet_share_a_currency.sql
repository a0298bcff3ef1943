-- What one call costs never adds two currencies.
with prices as (
    select * from {{ ref('prices') }}
),

final as (
    select
        catalogue,
        provider,
        region,
        model_pattern
    from prices
    group by
        catalogue,
        provider,
        region,
        model_pattern
    having count(distinct currency) > 1
)

select * from final
