-- Grain: one row per hour, department, API key and model that the gateway billed.
-- Key: source_name, bucket_start, account_id, api_key_id, request_model.
-- Inputs: the gateway's own sums, of usage and of cost, over its billing lines.
-- Rule: to check the details with, never to be added to them.
with usage as (
    select
        *,
        {{ each_element('metrics') }} as metric
    from {{ source('alibaba_model_router', 'usage_breakdown') }}
),

costs as (
    select * from {{ source('alibaba_model_router', 'cost_breakdown') }}
),

measured as (
    select
        source_name,
        summary_time,
        client_id,
        api_key_id,
        model_code,
        {{ json_text('metric', 'key') }} as measure,
        {{ cast_or_null(json_text('metric', 'value'), 'decimal(38, 12)') }} as quantity,
        null as currency
    from usage
    union all
    select
        source_name,
        summary_time,
        client_id,
        api_key_id,
        model_code,
        'cost' as measure,
        cast(payable_amount as decimal(38, 12)) as quantity,
        currency
    from costs
),

final as (
    select
        source_name,
        summary_time as bucket_start,
        summary_time + interval '1' hour as bucket_end,
        cast(nullif(client_id, 0) as string) as account_id,
        api_key_id,
        model_code as request_model,
        cast(sum(case when measure = 'total_calls' then quantity end) as decimal(38, 0))
            as calls,
        cast(sum(case when measure = 'input_tokens' then quantity end) as decimal(38, 0))
            as input_tokens,
        cast(sum(case when measure = 'output_tokens' then quantity end) as decimal(38, 0))
            as output_tokens,
        cast(sum(case when measure = 'cached_tokens' then quantity end) as decimal(38, 0))
            as cache_read_input_tokens,
        cast(
            sum(case when measure = 'reasoning_tokens' then quantity end)
            as decimal(38, 0)
        )
            as reasoning_output_tokens,
        cast(sum(case when measure = 'cost' then quantity end) as decimal(38, 12))
            as cost,
        max(currency) as currency
    from measured
    group by
        source_name,
        summary_time,
        client_id,
        api_key_id,
        model_code
)

select * from final
