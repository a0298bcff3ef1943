-- Grain: one row per local day, team, source, model and currency.
-- Key: all of these; currency is NULL where unpriced.
-- Rule: team unassigned is part of it, so that the sum is that of daily_costs.
with costs as (
    select * from {{ ref('daily_costs_converted') }}
),

final as (
    select
        usage_date,
        team,
        source_name,
        model,
        currency,
        cast(sum(cost) as decimal(38, 12)) as cost,
        reporting_currency,
        cast(sum(cost_in_reporting_currency) as decimal(38, 12))
            as cost_in_reporting_currency,
        cast(sum(priced_tokens) as bigint) as priced_tokens,
        cast(sum(unpriced_tokens) as bigint) as unpriced_tokens,
        cast(sum(calls) as bigint) as calls,
        cast(sum(unconverted_calls) as bigint) as unconverted_calls,
        counts_in_totals
    from costs
    group by
        usage_date,
        team,
        source_name,
        model,
        currency,
        reporting_currency,
        counts_in_totals
)

select * from final
