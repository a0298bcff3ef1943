-- Grain: one row per hour (or quarter of one), project and model in which a call began.
-- Key: bucket_id.
-- Inputs: Weave's usage buckets, read of trace roots only.
-- Rule: the server says 0 where it has no price; 0 for used tokens is not known. Of a
-- cost with a negative part that part is sent on, which the marts reject.
with usage_buckets as (
    select * from {{ source('weave', 'usage_buckets') }}
),

-- Sums come as floats, so that also the total is one.
tokens as (
    select
        *,
        sum_input_tokens as input_tokens,
        sum_output_tokens as output_tokens,
        sum_total_tokens as logged_total_tokens,
        sum_cache_read_input_tokens as cache_read_input_tokens,
        sum_cache_creation_input_tokens as cache_creation_input_tokens,
        count_total_tokens = bucket_count as is_total_logged,
        upper(coalesce(cost_unit, 'USD')) as cost_code,
        lower(model) as model_key
    from usage_buckets
),

costs as (
    select
        *,
        -- Clients of some providers log no total. Where all do, it is right even below
        -- its parts: the server adds up prompt_tokens and input_tokens.
        case
            when is_total_logged then logged_total_tokens
            else greatest(logged_total_tokens, input_tokens + output_tokens)
        end as total_tokens,
        case
            when sum_total_cost >= 0 and sum_input_cost < 0
                then cast(sum_input_cost as decimal(38, 12))
            when sum_total_cost >= 0 and sum_output_cost < 0
                then cast(sum_output_cost as decimal(38, 12))
            when
                sum_total_cost <> 0
                or logged_total_tokens + input_tokens + output_tokens = 0
                then cast(sum_total_cost as decimal(38, 12))
        end as cost_reported
    from tokens
),

final as (
    select
        source_name || ':' || scope || ':' || bucket_start_raw || ':'
        || coalesce(model, '') as bucket_id,
        'weave' as vendor,
        source_name,
        {{ provider_of_model('model_key') }} as provider_name,
        scope as account_id,
        null as app_name,
        null as api_key_name,
        nullif(model, '') as request_model,
        null as response_model,
        bucket_start,
        bucket_end,
        bucket_count as calls,
        null as errors,
        input_tokens,
        output_tokens,
        total_tokens,
        cache_read_input_tokens,
        cache_creation_input_tokens,
        null as reasoning_output_tokens,
        cost_reported,
        -- Any text can be the unit of a project's own price.
        case
            when cost_reported is null then null
            when {{ is_currency_code('cost_code') }} then cost_code
            else ''
        end as currency,
        case when cost_reported is not null then 'list_estimate' end as cost_kind,
        _dlt_load_id as load_id
    from costs
)

select * from final
