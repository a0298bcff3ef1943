-- What did yesterday cost, by team, app or key, and model; and which source is late?
with known as (
    select *, max(last_complete_date) over (partition by recorded_at) as usage_date
    from history.publications qualify recorded_at = max(recorded_at) over ()
)

select
    team, known.source_name, account_id, coalesce(app_name, api_key_name) as app_or_key,
    model, currency, sum(cost) as cost, sum(cost_in_reporting_currency) as cost_converted,
    sum(calls)::bigint as calls, sum(unpriced_tokens)::bigint as unpriced_tokens,
    last_complete_date as known_through
from known left join costs
    on known.source_name = costs.source_name and known.usage_date = costs.usage_date
where known.counts_in_totals group by all order by cost desc nulls last
