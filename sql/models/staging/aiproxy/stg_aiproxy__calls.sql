-- Grain: one row per request that reached an upstream, with its final result.
-- Key: call_id.
-- Inputs: the log rows, the channels as they were then, the operations of the modes.
-- Rule: the server leaves out zeros, so absent means 0, but not in a pending job.
with raw_logs as (
    select * from {{ source('aiproxy', 'logs') }}
),

channels as (
    select * from {{ ref('stg_aiproxy__channels') }}
),

modes as (
    select * from {{ ref('aiproxy_modes') }}
),

classified as (
    select
        *,
        coalesce(async_usage_status, 0) <> 1 as is_settled,
        -- Its request was a success; the job that it asked for was not.
        coalesce(async_usage_status, 0) = 3 as is_failed_job,
        coalesce(code between 200 and 299, false)
        and coalesce(async_usage_status, 0) <> 3 as is_success,
        coalesce(
            price_input_price,
            price_image_input_price,
            price_audio_input_price,
            price_video_input_price,
            price_output_price,
            price_image_output_price,
            price_audio_output_price,
            price_thinking_mode_output_price,
            price_cached_price,
            price_cache_creation_price,
            price_web_search_price,
            price_per_request_price
        ) is not null as is_priced
    from raw_logs
),

logs as (
    select
        *,
        case
            when not is_settled then null
            when used_amount is not null then {{ as_cost('used_amount') }}
            -- Nobody gave the model a price: its cost is not known, it is not 0.
            when not is_priced and (is_success or usage_total_tokens > 0) then null
            else 0
        end as cost_reported
    from classified
),

final as (
    select
        {{ call_id('aiproxy', 'logs') }} as call_id,
        'aiproxy' as vendor,
        logs.source_name,
        coalesce(channels.provider_name, 'aiproxy') as provider_name,
        nullif(logs.group_id, '') as account_id,
        cast(null as string) as app_name,
        nullif(logs.token_name, '') as api_key_name,
        modes.operation_name,
        nullif(logs.model, '') as request_model,
        cast(null as string) as response_model,
        logs.request_at as called_at,
        logs.created_at as finished_at,
        logs.created_at as billed_at,
        nullif(logs.code, 0) as status_code,
        case
            when logs.is_success then null
            when coalesce(logs.code, 0) = 0 then '_OTHER'
            when logs.is_failed_job and logs.code between 200 and 299 then 'job_failed'
            else cast(logs.code as string)
        end as error_type,
        case when logs.is_settled then coalesce(logs.usage_input_tokens, 0) end
            as input_tokens,
        case when logs.is_settled then coalesce(logs.usage_output_tokens, 0) end
            as output_tokens,
        case
            when not logs.is_settled then null
            -- Upstreams that count the parts alone.
            when coalesce(logs.usage_total_tokens, 0) = 0
                then
                    cast(coalesce(logs.usage_input_tokens, 0) as decimal(38, 0))
                    + coalesce(logs.usage_output_tokens, 0)
            else logs.usage_total_tokens
        end as total_tokens,
        case when logs.is_settled then coalesce(logs.usage_cached_tokens, 0) end
            as cache_read_input_tokens,
        case when logs.is_settled then coalesce(logs.usage_cache_creation_tokens, 0) end
            as cache_creation_input_tokens,
        case when logs.is_settled then coalesce(logs.usage_reasoning_tokens, 0) end
            as reasoning_output_tokens,
        case when logs.is_settled then coalesce(logs.usage_audio_input_tokens, 0) end
            as audio_input_tokens,
        case when logs.is_settled then coalesce(logs.usage_image_input_tokens, 0) end
            as image_input_tokens,
        case when logs.is_settled then coalesce(logs.usage_video_input_tokens, 0) end
            as video_input_tokens,
        case when logs.is_settled then coalesce(logs.usage_audio_output_tokens, 0) end
            as audio_output_tokens,
        case when logs.is_settled then coalesce(logs.usage_image_output_tokens, 0) end
            as image_output_tokens,
        null as image_count,
        case when logs.is_settled then coalesce(logs.usage_web_search_count, 0) end
            as web_search_count,
        1 + cast(coalesce(logs.retry_times, 0) as decimal(19, 0)) as request_count,
        {{ milliseconds_between('logs.request_at', 'logs.created_at') }} as latency_ms,
        nullif(logs.ttfb_milliseconds, 0) as time_to_first_chunk_ms,
        nullif(logs.upstream_id, '') as response_id,
        cast(null as string) as conversation_id,
        cast(null as string) as region,
        logs.cost_reported,
        {{ as_cost('logs.amount_input_amount') }} as input_cost_reported,
        {{ as_cost('logs.amount_output_amount') }} as output_cost_reported,
        {{ as_cost('logs.amount_cached_amount') }} as cache_read_cost_reported,
        {{ as_cost('logs.amount_cache_creation_amount') }}
            as cache_creation_cost_reported,
        {{ as_cost('logs.amount_audio_input_amount') }} as audio_input_cost_reported,
        {{ as_cost('logs.amount_image_input_amount') }} as image_input_cost_reported,
        {{ as_cost('logs.amount_video_input_amount') }} as video_input_cost_reported,
        {{ as_cost('logs.amount_audio_output_amount') }} as audio_output_cost_reported,
        {{ as_cost('logs.amount_image_output_amount') }} as image_output_cost_reported,
        {{ as_cost('logs.amount_web_search_amount') }} as web_search_cost_reported,
        -- A price per request is the whole cost, and has no part among the others.
        case when logs.price_per_request_price > 0 then logs.cost_reported end
            as request_cost_reported,
        case when logs.cost_reported is not null then logs.currency end as currency,
        case when logs.cost_reported is not null then 'gateway_computed' end
            as cost_kind,
        logs.is_settled,
        {{ json_attributes({
            'request_id': "nullif(logs.request_id, '')",
            'endpoint': 'logs.endpoint',
            'mode': 'logs.mode',
            'channel': 'logs.channel',
            'channel_name': 'channels.channel_name',
            'service_tier': 'coalesce(logs.usage_context_service_tier, logs.service_tier)',
            'async_usage_status': 'logs.async_usage_status',
            'user': 'logs.user_id',
            'metadata': as_json('logs.metadata'),
        }) }} as attributes,
        logs._dlt_load_id as load_id
    from logs
    left join channels
        on
            logs.source_name = channels.source_name
            and logs.channel = channels.channel_id
            and {{ held_at('channels', 'logs.created_at') }}
    left join modes on logs.mode = modes.mode
)

select * from final
