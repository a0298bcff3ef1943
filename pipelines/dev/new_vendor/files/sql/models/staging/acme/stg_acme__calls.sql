-- Grain: one row per call.
-- Key: call_id.
-- Rule: a call belongs to the day on which it ended, by which the vendor lists.
with calls as (
    select * from {{ source('acme', 'calls') }}
),

final as (
    select
        source_name || ':' || id as call_id,
        'acme' as vendor,
        source_name,
        'acme' as provider_name,
        nullif(project, '') as account_id,
        null as app_name,
        nullif(api_key_name, '') as api_key_name,
        null as operation_name,
        model as request_model,
        null as response_model,
        started_at as called_at,
        ended_at as finished_at,
        ended_at as billed_at,
        status as status_code,
        case when status >= 400 then cast(status as string) end as error_type,
        usage_input_tokens as input_tokens,
        usage_output_tokens as output_tokens,
        usage_input_tokens + usage_output_tokens as total_tokens,
        null as cache_read_input_tokens,
        null as cache_creation_input_tokens,
        null as reasoning_output_tokens,
        null as audio_input_tokens,
        null as image_input_tokens,
        null as video_input_tokens,
        null as audio_output_tokens,
        null as image_output_tokens,
        null as image_count,
        null as web_search_count,
        1 as request_count,
        {{ milliseconds_between('started_at', 'ended_at') }} as latency_ms,
        null as time_to_first_chunk_ms,
        null as response_id,
        null as conversation_id,
        null as region,
        null as cost_reported,
        {{ no_reported_costs() }},
        null as currency,
        null as cost_kind,
        true as is_settled,
        cast(null as string) as attributes,
        _dlt_load_id as load_id
    from calls
)

select * from final
