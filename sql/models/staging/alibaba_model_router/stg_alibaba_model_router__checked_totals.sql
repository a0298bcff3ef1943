-- Grain: one row per pair, side, hour, model and measure.
-- Key: all of these and source_name.
-- Inputs: the log rows, the billing lines, and the gateway's own sums of the lines.
-- Rule: only successful calls are billed, so only they are compared with what is billed.
{{ config(materialized='view_of_run') }}

{% set calls_and_tokens = {
    'successful_calls': 'successful_calls',
    'input_tokens': 'input_tokens',
    'output_tokens': 'output_tokens',
} %}
{%- set logged = dict(calls_and_tokens, total_tokens='total_tokens') %}
{%- set counted = dict(
    calls_and_tokens,
    cache_read_input_tokens='cache_read_input_tokens',
    reasoning_output_tokens='reasoning_output_tokens',
) %}
{%- set money = {'cost': 'cost'} %}
{%- set pairs = [
    ('observation_logs_vs_billing_details', 'calls', 'billing_lines', logged),
    ('observation_logs_vs_usage_breakdown', 'calls', 'breakdown', calls_and_tokens),
    ('billing_details_vs_usage_breakdown', 'billing_lines', 'breakdown', counted),
    ('billing_details_vs_cost_breakdown', 'billing_lines', 'breakdown', money),
] %}

with reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

calls as (
    select
        source_name,
        '' as scope,
        request_model as model,
        date_trunc('hour', request_time) as bucket_start,
        date_trunc('hour', request_time) + interval '1' hour as bucket_end,
        count(*) as successful_calls,
        sum(prompt_tokens) as input_tokens,
        sum(completion_tokens) as output_tokens,
        sum(total_tokens) as total_tokens
    from {{ ref('stg_alibaba_model_router__logs') }}
    where
        error_type is null
        and {{ is_reconciled('request_time') }}
    group by source_name, request_model, date_trunc('hour', request_time)
),

billing_lines as (
    select
        source_name,
        '' as scope,
        nullif(model_code, '') as model,
        date_trunc('hour', request_time) as bucket_start,
        date_trunc('hour', request_time) + interval '1' hour as bucket_end,
        count(*) as successful_calls,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(total_tokens) as total_tokens,
        sum(cached_tokens) as cache_read_input_tokens,
        sum(reasoning_tokens) as reasoning_output_tokens,
        sum(cast(amount as decimal(38, 12))) as cost
    from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where {{ is_reconciled('request_time') }}
    group by source_name, nullif(model_code, ''), date_trunc('hour', request_time)
),

breakdown as (
    select
        source_name,
        '' as scope,
        nullif(request_model, '') as model,
        bucket_start,
        bucket_end,
        sum(calls) as successful_calls,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cache_read_input_tokens) as cache_read_input_tokens,
        sum(reasoning_output_tokens) as reasoning_output_tokens,
        sum(cost) as cost
    from {{ ref('stg_alibaba_model_router__control_totals') }}
    where {{ is_reconciled('bucket_start') }}
    group by source_name, nullif(request_model, ''), bucket_start, bucket_end
),

final as (
    {%- for pair, detail, control, measures in pairs %}
        {{ one_row_per_measure(detail, pair, 'detail', measures) }}
        union all
        {{ one_row_per_measure(control, pair, 'control', measures) }}
        {{ "union all" if not loop.last }}
    {%- endfor %}
)

select * from final
