-- Grain: one row per hour (or quarter of one) and project in which a trace began.
-- Key: bucket_id.
-- Inputs: Weave's call buckets, read of trace roots only.
-- Rule: percentiles are of this bucket alone; they do not add up to those of a day.
with call_buckets as (
    select * from {{ source('weave', 'call_buckets') }}
),

final as (
    select
        source_name || ':' || scope || ':' || bucket_start_raw as bucket_id,
        'weave' as vendor,
        source_name,
        scope as account_id,
        bucket_start,
        bucket_end,
        sum_call_count as calls,
        sum_error_count as errors,
        count_latency_ms as finished_calls,
        case when count_latency_ms > 0 then sum_latency_ms end as sum_latency_ms,
        min_latency_ms,
        max_latency_ms,
        p50_latency_ms,
        p95_latency_ms,
        p99_latency_ms,
        _dlt_load_id as load_id
    from call_buckets
)

select * from final
