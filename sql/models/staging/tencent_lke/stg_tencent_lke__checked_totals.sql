-- Grain: one row per pair, side, model that was asked for, local day and measure.
-- Key: all of these and source_name.
-- Inputs: the calls, and the vendor's own totals of the same days.
-- Rule: totals of another time zone's days are not compared, nor tokens that cannot be.
{{ config(materialized='view_of_run') }}

with reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

calls as (
    select
        source_name,
        request_model,
        finished_at,
        {{ local_date('finished_at') }} as usage_date,
        {{ admitted('input_tokens', 'bigint') }} as input_tokens,
        {{ admitted('output_tokens', 'bigint') }} as output_tokens,
        {{ admitted('total_tokens', 'bigint') }} as total_tokens
    from {{ ref('stg_tencent_lke__calls') }}
    where {{ is_reconciled('finished_at') }}
),

controls as (
    select
        source_name,
        request_model,
        request_model as scope,
        request_model as model,
        window_start as bucket_start,
        window_end as bucket_end,
        window_start,
        window_end,
        {{ local_date('window_start') }} as usage_date,
        calls,
        {{ admitted('input_tokens', 'bigint') }} as input_tokens,
        {{ admitted('output_tokens', 'bigint') }} as output_tokens,
        {{ admitted('total_tokens', 'bigint') }} as total_tokens
    from {{ ref('stg_tencent_lke__token_usage') }}
    where
        sub_biz_type is null
        and reporting_timezone = '{{ var("reporting_timezone") }}'
        and {{ is_reconciled('window_start') }}
),

read_days as (
    select distinct
        source_name,
        usage_date
    from controls
),

details as (
    select
        calls.source_name,
        calls.request_model as scope,
        calls.request_model as model,
        coalesce(controls.window_start, min(calls.finished_at)) as bucket_start,
        coalesce(controls.window_end, max(calls.finished_at)) as bucket_end,
        count(*) as calls,
        sum(calls.input_tokens) as input_tokens,
        sum(calls.output_tokens) as output_tokens,
        sum(calls.total_tokens) as total_tokens,
        case
            when controls.window_start is not null then null
            when read_days.usage_date is not null
                then 'the totals of this day were read before this model was known'
            else 'no total was read of this day in this time zone'
        end as caveat
    from calls
    left join controls
        on
            calls.source_name = controls.source_name
            and calls.request_model = controls.request_model
            and calls.usage_date = controls.usage_date
    left join read_days
        on
            calls.source_name = read_days.source_name
            and calls.usage_date = read_days.usage_date
    where calls.finished_at < coalesce(controls.window_end, {{ end_of_time() }})
    group by
        calls.source_name,
        calls.request_model,
        calls.usage_date,
        read_days.usage_date,
        controls.window_start,
        controls.window_end
),

{%- set measures = {
    'calls': 'calls',
    'input_tokens': 'input_tokens',
    'output_tokens': 'output_tokens',
    'total_tokens': 'total_tokens',
} %}

final as (
    {{ one_row_per_measure(
        'details',
        'usage_call_details_vs_token_usage',
        'detail',
        measures,
        caveats=dict.fromkeys(measures, 'caveat'),
    ) }}
    union all
    {{ one_row_per_measure(
        'controls', 'usage_call_details_vs_token_usage', 'control', measures
    ) }}
)

select * from final
