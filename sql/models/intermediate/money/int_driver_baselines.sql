-- Grain: one row per source, currency and complete local day.
-- Key: all of these.
-- Inputs: daily costs, with 0 for a day on which the source cost nothing.
-- Rule: a day is held against the median, by cost, of its weekday's last four; of two in
-- the middle against the cheaper, so that it is one day, with all that happened on it.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

priced as (
    select distinct
        source_name,
        currency
    from daily_costs
    where currency is not null
),

days as (
    select
        priced.source_name,
        priced.currency,
        complete_days.counts_in_totals,
        {{ each_day('complete_days.first_day', 'complete_days.last_day') }} as usage_date
    from priced
    inner join complete_days on priced.source_name = complete_days.source_name
),

sums as (
    select
        days.source_name,
        days.currency,
        days.usage_date,
        days.counts_in_totals,
        cast(coalesce(sum(daily_costs.cost), 0) as decimal(38, 12)) as cost,
        cast(coalesce(sum(daily_costs.calls), 0) as bigint) as calls
    from days
    left join daily_costs
        on
            days.source_name = daily_costs.source_name
            and days.currency = daily_costs.currency
            and days.usage_date = daily_costs.usage_date
    group by
        days.source_name,
        days.currency,
        days.usage_date,
        days.counts_in_totals
),

ranked as (
    select
        sums.source_name,
        sums.currency,
        sums.usage_date,
        sums.counts_in_totals,
        sums.calls,
        past.usage_date as baseline_date,
        past.calls as baseline_calls,
        row_number() over (
            partition by sums.source_name, sums.currency, sums.usage_date
            order by past.cost asc, past.usage_date desc
        ) as place,
        count(*) over (
            partition by sums.source_name, sums.currency, sums.usage_date
        ) as places
    from sums
    left join sums as past
        on
            sums.source_name = past.source_name
            and sums.currency = past.currency
            and {{ days_between('past.usage_date', 'sums.usage_date') }}
            in (7, 14, 21, 28)
),

final as (
    select
        source_name,
        currency,
        usage_date,
        counts_in_totals,
        calls,
        baseline_date,
        baseline_calls
    from ranked
    where 2 * place in (places, places + 1)
)

select * from final
