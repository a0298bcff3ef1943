-- Grain: one row per call that the gateway logged, failed ones included.
-- Key: call_id.
-- Inputs: the log rows, the billing line of each, the names that the API keys had.
-- Rule: cost, cached and reasoning tokens come from the line; NULL where a row has none.
with logs as (
    select * from {{ ref('stg_alibaba_model_router__logs') }}
),

billing_lines as (
    select * from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where log_id is not null
),

api_keys as (
    select * from {{ ref('stg_alibaba_model_router__api_keys') }}
),

final as (
    select
        {{ call_id('alibaba_model_router', 'logs') }} as call_id,
        'alibaba_model_router' as vendor,
        logs.source_name,
        'alibaba_cloud.model_router' as provider_name,
        cast(nullif(logs.client_id, 0) as string) as account_id,
        null as app_name,
        coalesce(api_keys.api_key_name, cast(nullif(logs.api_key_id, 0) as string))
            as api_key_name,
        case
            when lower(logs.model_type) like 'chat%' then 'chat'
            when lower(logs.model_type) = 'embedding' then 'embeddings'
            when lower(logs.model_type) = 'imagegeneration' then 'image_generation'
            else lower(nullif(logs.model_type, ''))
        end as operation_name,
        logs.request_model,
        null as response_model,
        logs.request_time as called_at,
        null as finished_at,
        logs.request_time as billed_at,
        nullif(logs.status_code, 0) as status_code,
        logs.error_type,
        logs.prompt_tokens as input_tokens,
        logs.completion_tokens as output_tokens,
        logs.total_tokens,
        billing_lines.cached_tokens as cache_read_input_tokens,
        billing_lines.cache_creation_tokens as cache_creation_input_tokens,
        billing_lines.reasoning_tokens as reasoning_output_tokens,
        null as audio_input_tokens,
        null as image_input_tokens,
        null as video_input_tokens,
        null as audio_output_tokens,
        null as image_output_tokens,
        logs.usage_image_count as image_count,
        null as web_search_count,
        null as request_count,
        logs.response_time_ms as latency_ms,
        null as time_to_first_chunk_ms,
        null as response_id,
        null as conversation_id,
        null as region,
        billing_lines.cost as cost_reported,
        {{ no_reported_costs() }},
        case when billing_lines.cost is not null then billing_lines.currency end
            as currency,
        case when billing_lines.cost is not null then 'chargeback' end as cost_kind,
        true as is_settled,
        {{ json_attributes({
            'request_id': "nullif(logs.request_id, '')",
            'client_uuid': "nullif(logs.client_uuid, '')",
            'model_name': "nullif(logs.model_name, '')",
            'model_type': "nullif(logs.model_type, '')",
            'symbol': "nullif(logs.symbol, '')",
            'video_count': 'nullif(logs.usage_video_count, 0)',
            'video_duration': 'nullif(logs.usage_video_duration, 0)',
            'member_user_id': 'nullif(billing_lines.member_user_id, 0)',
            'discount': 'billing_lines.discount',
        }) }} as attributes,
        logs._dlt_load_id as load_id
    from logs
    left join billing_lines
        on
            logs.source_name = billing_lines.source_name
            and logs.base_url = billing_lines.base_url
            and logs.id = billing_lines.log_id
    left join api_keys
        on
            logs.source_name = api_keys.source_name
            and logs.base_url = api_keys.base_url
            and logs.api_key_id = api_keys.api_key_id
            and {{ held_at('api_keys', 'logs.request_time') }}
)

select * from final
