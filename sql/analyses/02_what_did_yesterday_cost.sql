-- What did yesterday cost, by team, app or key, and model?
select
    team, source_name, account_id, coalesce(app_name, api_key_name) as app_or_key, model,
    currency, sum(cost) as cost, sum(cost_in_reporting_currency) as cost_converted,
    sum(calls) as calls, sum(unpriced_tokens) as unpriced_tokens,
    (select arg_max_null(sources_behind, recorded_at) from publications) as sources_behind
from daily_costs_converted
where
    counts_in_totals
    and usage_date = (select max(last_complete_date) from publications)
group by team, source_name, account_id, app_or_key, model, currency
order by cost desc nulls last
