-- Grain: one row per model of a trace root, or of a span that came by OpenTelemetry.
-- Key: call_id.
-- Inputs: Weave's calls that have ended, of all levels of their traces.
-- Rule: clients write the usage of a step to the root as well, and OpenTelemetry writes
-- it nowhere else; so these two hold each token once, as the usage buckets do.
with calls as (
    select
        *,
        -- The others' ids are UUIDs.
        {{ is_span_id('id') }} as is_span
    from {{ source('weave', 'calls') }}
),

members as (
    select
        *,
        {{ each_member('summary_usage', 'model_name', 'model_usage') }}
    from calls
    where parent_id is null or is_span
),

counted as (
    select
        *,
        nullif(model_name, '') as model,
        {{ json_number('model_usage', 'prompt_tokens') }} as prompt_tokens,
        {{ json_number('model_usage', 'input_tokens') }} as own_input_tokens,
        {{ json_number('model_usage', 'completion_tokens') }} as completion_tokens,
        {{ json_number('model_usage', 'output_tokens') }} as own_output_tokens,
        {{ json_number('model_usage', 'total_tokens') }} as logged_total_tokens,
        {{ json_number('model_usage', 'cache_read_input_tokens') }}
            as cache_read_input_tokens,
        {{ json_number('model_usage', 'cache_creation_input_tokens') }}
            as cache_creation_input_tokens,
        {{ json_number('model_usage', 'requests') }} as requests
    from members
),

-- A client that logs any count leaves out what there is none of; the names of two
-- vendors are added up, as the server does.
added as (
    select
        *,
        coalesce(
            prompt_tokens,
            own_input_tokens,
            completion_tokens,
            own_output_tokens,
            logged_total_tokens
        ) is not null as is_logged,
        coalesce(prompt_tokens, 0) + coalesce(own_input_tokens, 0) as input_tokens,
        coalesce(completion_tokens, 0) + coalesce(own_output_tokens, 0) as output_tokens
    from counted
),

final as (
    select
        source_name || ':' || id || ':' || coalesce(model, '') as call_id,
        'weave' as vendor,
        source_name,
        {{ provider_of_model('lower(model)') }} as provider_name,
        project_id as account_id,
        null as app_name,
        null as api_key_name,
        null as operation_name,
        model as request_model,
        null as response_model,
        started_at as called_at,
        ended_at as finished_at,
        -- The server lays a call to the hour in which it began.
        started_at as billed_at,
        null as status_code,
        case when summary_weave_status = 'error' then '_OTHER' end as error_type,
        case when is_logged then input_tokens end as input_tokens,
        case when is_logged then output_tokens end as output_tokens,
        case
            when is_logged
                then coalesce(logged_total_tokens, input_tokens + output_tokens)
        end as total_tokens,
        cache_read_input_tokens,
        cache_creation_input_tokens,
        null as reasoning_output_tokens,
        null as audio_input_tokens,
        null as image_input_tokens,
        null as video_input_tokens,
        null as audio_output_tokens,
        null as image_output_tokens,
        null as image_count,
        null as web_search_count,
        requests as request_count,
        summary_weave_latency_ms as latency_ms,
        null as time_to_first_chunk_ms,
        null as response_id,
        thread_id as conversation_id,
        null as region,
        null as cost_reported,
        {{ no_reported_costs() }},
        null as currency,
        null as cost_kind,
        true as is_settled,
        {{ json_attributes({
            'user': 'wb_user_id',
            'thread': 'thread_id',
            'op': 'op_name',
            'display_name': 'display_name',
            'trace': 'trace_id',
            'status': 'summary_weave_status',
        }) }} as attributes,
        _dlt_load_id as load_id
    from added
)

select * from final
