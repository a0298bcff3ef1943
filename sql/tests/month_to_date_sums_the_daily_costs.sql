-- What teams spent in a month is what daily_costs says of its complete days.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

daily as (
    select
        {{ month_start('daily_costs.usage_date') }} as month,
        daily_costs.currency,
        sum(daily_costs.cost) as cost,
        sum(coalesce(daily_costs.unpriced_tokens, 0)) as unpriced_tokens
    from daily_costs
    inner join complete_days on daily_costs.source_name = complete_days.source_name
    where
        daily_costs.counts_in_totals
        and daily_costs.usage_date <= complete_days.last_day
    group by
        {{ month_start('daily_costs.usage_date') }},
        daily_costs.currency
),

monthly as (
    select
        month,
        currency,
        sum(spent) as cost,
        sum(unpriced_tokens) as unpriced_tokens
    from {{ ref('month_to_date') }}
    group by
        month,
        currency
),

final as (
    select
        coalesce(daily.month, monthly.month) as month,
        coalesce(daily.currency, monthly.currency) as currency,
        daily.cost,
        monthly.cost as monthly_cost
    from daily
    full outer join monthly
        on
            daily.month = monthly.month
            and daily.currency is not distinct from monthly.currency
    where
        coalesce(daily.cost, 0) <> coalesce(monthly.cost, 0)
        or coalesce(daily.unpriced_tokens, 0) <> coalesce(monthly.unpriced_tokens, 0)
)

select * from final
