-- What does a call, and a million tokens, cost per app or key, over seven complete days?
select
    source_name, account_id, coalesce(app_name, api_key_name) as app_or_key, currency,
    sum(calls)::bigint as calls, sum(cost) as cost,
    round(sum(cost_of_calls) / nullif(sum(calls), 0), 6) as per_call,
    round(sum(cost_of_tokens) * 1000000 / nullif(sum(priced_tokens), 0), 4)
        as per_million_tokens
from detail.daily_costs
where
    counts_in_totals and cost is not null
    and (select max(last_complete_date) from history.publications) - usage_date
    between 0 and 6
group by source_name, account_id, app_or_key, currency
order by cost desc
