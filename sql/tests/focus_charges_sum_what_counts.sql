-- The file for finance has the costs of the sources that count: each once, each currency
-- by itself, each in the month of its local day.
with daily as (
    select
        {{ day_start(month_start('usage_date')) }} as month_start,
        currency,
        sum(cost) as cost
    from {{ ref('daily_costs') }}
    where
        counts_in_totals
        and usage_date is not null
        and {{ tested('usage_date') }}
    group by
        {{ day_start(month_start('usage_date')) }},
        currency
),

charged as (
    select
        BillingPeriodStart as month_start,
        BillingCurrency as currency,
        sum(BilledCost) as cost
    from {{ ref('focus_charges') }}
    where {{ tested('ChargePeriodStart') }}
    group by
        BillingPeriodStart,
        BillingCurrency
),

final as (
    select
        coalesce(daily.month_start, charged.month_start) as month_start,
        coalesce(daily.currency, charged.currency) as currency,
        daily.cost,
        charged.cost as charged_cost
    from daily
    full outer join charged
        on
            daily.month_start = charged.month_start
            and daily.currency = charged.currency
    where coalesce(daily.cost, 0) <> coalesce(charged.cost, 0)
)

select * from final
