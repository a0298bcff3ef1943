-- Which apps or keys cost most in the last seven complete days, by model, and per call?
-- They are ordered by what they cost at the rate of each day.
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
),

final as (
    select
        daily_costs.account_id,
        coalesce(daily_costs.app_name, daily_costs.api_key_name) as app_or_key,
        daily_costs.source_name,
        daily_costs.model,
        daily_costs.currency,
        string_agg(distinct daily_costs.cost_basis, ', ' order by daily_costs.cost_basis)
            as cost_basis,
        sum(daily_costs.cost) as cost,
        cast(sum(daily_costs.calls) as bigint) as calls,
        cast(sum(daily_costs.priced_tokens) as bigint) as tokens,
        round(sum(daily_costs.cost_of_calls) / nullif(sum(daily_costs.calls), 0), 6)
            as per_call,
        round(
            sum(daily_costs.cost_of_tokens) * 1000000
            / nullif(sum(daily_costs.priced_tokens), 0),
            4
        ) as per_million_tokens,
        sum(cast(daily_costs.cost as double) * daily_exchange_rates.exchange_rate)
            as weight
    from detail.daily_costs
    inner join known
        on
            daily_costs.usage_date > known.usage_date - 7
            and daily_costs.usage_date <= known.usage_date
    left join detail.daily_exchange_rates
        on
            daily_costs.usage_date = daily_exchange_rates.usage_date
            and daily_costs.currency = daily_exchange_rates.currency
    where daily_costs.counts_in_totals and daily_costs.cost is not null
    group by
        daily_costs.account_id,
        app_or_key,
        daily_costs.source_name,
        daily_costs.model,
        daily_costs.currency
)

select
    * exclude (weight),
    weight / nullif(max(weight) over (), 0) as of_largest
from final
order by weight desc nulls last, cost desc, account_id asc, app_or_key asc, model asc
