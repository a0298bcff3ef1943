-- What did the month cost so far, and where will it land, in each currency and in all?
-- What is spent is converted at the rate of its day, what is expected at the newest rate.
with current_month as (
    select * from detail.month_to_date
    where currency is not null
    qualify month = max(month) over ()
),

newest as (
    select * from history.publications qualify recorded_at = max(recorded_at) over ()
),

days as (
    select
        costs.currency,
        sum(costs.cost_in_reporting_currency) as converted,
        sum(costs.unconverted_calls) as unconverted_calls
    from detail.daily_costs_converted as costs
    inner join newest on costs.source_name = newest.source_name
    where
        costs.counts_in_totals
        and costs.cost is not null
        and costs.usage_date >= (select max(current_month.month) from current_month)
        and costs.usage_date <= newest.last_complete_date
    group by costs.currency
),

rates as (
    select
        currency,
        cast(arg_max(exchange_rate, usage_date) as decimal(18, 9)) as rate
    from detail.daily_exchange_rates
    where usage_date > (select max(current_month.through_date) from current_month) - 30
    group by currency
),

-- A team whose landing is not known yet leaves that of its currency unknown.
sums as (
    select
        currency,
        any_value(month) as month,
        any_value(through_date) as through_date,
        any_value(days_remaining) as days_remaining,
        sum(spent) as spent,
        if(count(*) = count(expected_landing), sum(expected_landing), null) as expected,
        if(count(*) = count(lowest_landing), sum(lowest_landing), null) as lowest,
        if(count(*) = count(highest_landing), sum(highest_landing), null) as highest
    from current_month
    group by currency
),

-- Nothing needs no rate: a budget in a currency that nobody spends hides no sum.
final as (
    select
        sums.*,
        days.unconverted_calls,
        coalesce(days.converted, if(sums.spent = 0, 0, null)) as spent_converted,
        spent_converted
        + if(
            sums.expected = sums.spent,
            0,
            cast(sums.expected - sums.spent as decimal(20, 6)) * rates.rate
        ) as expected_converted,
        spent_converted
        + if(
            sums.lowest = sums.spent,
            0,
            cast(sums.lowest - sums.spent as decimal(20, 6)) * rates.rate
        ) as lowest_converted,
        spent_converted
        + if(
            sums.highest = sums.spent,
            0,
            cast(sums.highest - sums.spent as decimal(20, 6)) * rates.rate
        ) as highest_converted
    from sums
    left join days on sums.currency = days.currency
    left join rates on sums.currency = rates.currency
)

select
    currency,
    any_value(month) as month,
    any_value(through_date) as through_date,
    any_value(days_remaining) as days_remaining,
    if(grouping(currency) = 0, sum(spent), null) as spent,
    if(grouping(currency) = 0, sum(expected), null) as expected,
    if(grouping(currency) = 0, sum(lowest), null) as lowest,
    if(grouping(currency) = 0, sum(highest), null) as highest,
    sum(spent_converted) as spent_converted,
    if(count(*) = count(expected_converted), sum(expected_converted), null)
        as expected_converted,
    if(count(*) = count(lowest_converted), sum(lowest_converted), null)
        as lowest_converted,
    if(count(*) = count(highest_converted), sum(highest_converted), null)
        as highest_converted,
    cast(sum(unconverted_calls) as bigint) as unconverted_calls
from final
group by grouping sets ((), (currency))
order by grouping(currency) desc, spent_converted desc nulls last, currency asc
