-- The charges of a day and source are, in each currency, what daily_costs says it cost.
with daily as (
    select
        source_name,
        usage_date,
        currency,
        counts_in_totals,
        sum(cost) as cost
    from {{ ref('daily_costs') }}
    where {{ tested('usage_date') }}
    group by
        source_name,
        usage_date,
        currency,
        counts_in_totals
),

charged as (
    select
        source_name,
        usage_date,
        currency,
        counts_in_totals,
        sum(cost) as cost
    from {{ ref('daily_charges') }}
    where {{ tested('usage_date') }}
    group by
        source_name,
        usage_date,
        currency,
        counts_in_totals
),

final as (
    select
        coalesce(daily.source_name, charged.source_name) as source_name,
        coalesce(daily.usage_date, charged.usage_date) as usage_date,
        coalesce(daily.currency, charged.currency) as currency,
        daily.cost,
        charged.cost as charged_cost
    from daily
    full outer join charged
        on
            daily.source_name = charged.source_name
            and daily.usage_date is not distinct from charged.usage_date
            and daily.currency is not distinct from charged.currency
            and daily.counts_in_totals = charged.counts_in_totals
    -- What cost nothing is no charge.
    where coalesce(daily.cost, 0) <> coalesce(charged.cost, 0)
)

select * from final
