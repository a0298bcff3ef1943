-- Which models and keys are new, idle or moved most; how slow, with how much reasoning?
with seen as (
    select *, (select max(complete_through) from freshness) - call_date as days_ago
    from calls where days_ago between 0 and 13
)
select
    source_name, account_id, coalesce(app_name, api_key_name) as app_or_key, model,
    if(max(days_ago) < 7, 'new', if(min(days_ago) > 6, 'idle', 'active')) as state,
    count(*) filter (days_ago < 7) as calls, count(*) - calls as calls_week_before,
    quantile_disc(latency_ms, 0.95) filter (days_ago < 7) as p95_latency_ms,
    sum(output_tokens) filter (reasoning_output_tokens >= 0)::bigint as reasoned_over,
    round(sum(reasoning_output_tokens) / nullif(reasoned_over, 0), 3) as reasoning_ratio
from seen group by source_name, account_id, app_or_key, model
order by state = 'active', abs(calls - calls_week_before) desc nulls last
