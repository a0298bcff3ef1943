-- The models of a source add up to its cost on a complete day and on its baseline day.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

sources as (
    select
        daily_costs.source_name,
        daily_costs.usage_date,
        daily_costs.currency,
        sum(daily_costs.cost) as cost
    from daily_costs
    inner join complete_days
        on
            daily_costs.source_name = complete_days.source_name
            and daily_costs.usage_date >= complete_days.first_day
            and daily_costs.usage_date <= complete_days.last_day
    where daily_costs.currency is not null
    group by
        daily_costs.source_name,
        daily_costs.usage_date,
        daily_costs.currency
),

explained as (
    select
        source_name,
        currency,
        usage_date,
        baseline_date,
        sum(cost) as cost,
        sum(baseline_cost) as baseline_cost
    from {{ ref('cost_drivers') }}
    group by
        source_name,
        currency,
        usage_date,
        baseline_date
),

final as (
    select
        coalesce(explained.source_name, present.source_name) as source_name,
        coalesce(explained.usage_date, present.usage_date) as usage_date,
        coalesce(explained.currency, present.currency) as currency
    from explained
    full outer join sources as present
        on
            explained.source_name = present.source_name
            and explained.currency = present.currency
            and explained.usage_date = present.usage_date
    left join sources as past
        on
            explained.source_name = past.source_name
            and explained.currency = past.currency
            and explained.baseline_date = past.usage_date
    where
        coalesce(explained.cost, -1) <> coalesce(present.cost, 0)
        or explained.baseline_cost <> coalesce(past.cost, 0)
)

select * from final
