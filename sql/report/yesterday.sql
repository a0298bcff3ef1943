-- What did the last complete day cost, in all and in each currency by basis?
-- Only the first row, of level 3, is of all.
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
)

select
    costs.currency,
    costs.cost_basis,
    grouping(costs.currency, costs.cost_basis) as level,
    if(level = 0, sum(costs.cost), null) as cost,
    sum(costs.cost_in_reporting_currency) as cost_converted,
    cast(sum(costs.calls) as bigint) as calls,
    cast(sum(costs.priced_tokens + costs.unpriced_tokens) as bigint) as tokens,
    cast(sum(costs.calls) filter (costs.cost is null) as bigint) as unpriced_calls,
    cast(sum(costs.unconverted_calls) as bigint) as unconverted_calls
from detail.daily_costs_converted as costs
inner join known on costs.usage_date = known.usage_date
where costs.counts_in_totals
group by grouping sets ((), (costs.currency, costs.cost_basis))
order by
    level desc,
    cost_converted desc nulls last,
    costs.currency asc,
    costs.cost_basis asc
