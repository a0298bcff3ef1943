-- How long did calls take in the last seven complete days, of the models called most?
with sources as (
    select
        source_name,
        max(last_complete_date) over () as usage_date
    from history.publications
    where counts_in_totals
    qualify recorded_at = max(recorded_at) over ()
)

select
    calls.model,
    count(*) as calls,
    quantile_disc(calls.latency_ms, 0.5) / 1000 as median_seconds,
    quantile_disc(calls.latency_ms, 0.95) / 1000 as p95_seconds
from detail.calls
inner join sources on calls.source_name = sources.source_name
where
    calls.latency_ms > 0
    and calls.call_date > sources.usage_date - 7
    and calls.call_date <= sources.usage_date
group by calls.model
order by count(*) desc, calls.model
limit 10
