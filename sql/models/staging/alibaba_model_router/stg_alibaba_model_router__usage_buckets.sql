-- Grain: one row per second, department, API key, model and currency of unmatched money.
-- Key: bucket_id.
-- Inputs: the billing lines that belong to no log row, the names that the API keys had.
-- Rule: money only; the log rows of these calls, under other ids, count calls and tokens.
with billing_lines as (
    select
        *,
        cast(nullif(client_id, 0) as string) as account_id,
        nullif(model_code, '') as request_model
    from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where
        log_id is null
        and cost is not null
),

api_keys as (
    select * from {{ ref('stg_alibaba_model_router__api_keys') }}
),

named as (
    select
        billing_lines.*,
        coalesce(
            api_keys.api_key_name, cast(nullif(billing_lines.api_key_id, 0) as string)
        ) as key_name
    from billing_lines
    left join api_keys
        on
            billing_lines.source_name = api_keys.source_name
            and billing_lines.base_url = api_keys.base_url
            and billing_lines.api_key_id = api_keys.api_key_id
            and {{ held_at('api_keys', 'billing_lines.request_time') }}
),

final as (
    select
        concat_ws(
            ':',
            source_name,
            base_url,
            request_time_raw,
            coalesce(account_id, ''),
            coalesce(cast(api_key_id as string), ''),
            coalesce(request_model, ''),
            currency
        ) as bucket_id,
        'alibaba_model_router' as vendor,
        source_name,
        'alibaba_cloud.model_router' as provider_name,
        account_id,
        null as app_name,
        key_name as api_key_name,
        request_model,
        null as response_model,
        request_time as bucket_start,
        request_time + interval '1' second as bucket_end,
        0 as calls,
        0 as errors,
        null as input_tokens,
        null as output_tokens,
        null as total_tokens,
        null as cache_read_input_tokens,
        null as cache_creation_input_tokens,
        null as reasoning_output_tokens,
        cast(sum(cost) as decimal(38, 12)) as cost_reported,
        currency,
        'chargeback' as cost_kind,
        max(load_id) as load_id
    from named
    group by
        source_name,
        base_url,
        request_time,
        request_time_raw,
        account_id,
        api_key_id,
        key_name,
        request_model,
        currency
)

select * from final
