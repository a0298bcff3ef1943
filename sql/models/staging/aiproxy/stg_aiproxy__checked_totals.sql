-- Grain: one row per pair, side, scope, hour, model and measure.
-- Key: all of these and source_name.
-- Inputs: the log rows, and the totals that the gateway keeps beside them.
-- Rule: an attempt that was tried again is in the totals only; so is a refusal with 429;
-- an hour of which no total was read is not here.
with reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

calls as (
    select
        *,
        date_trunc('hour', finished_at) as bucket_start
    from {{ ref('stg_aiproxy__calls') }}
    where {{ is_reconciled('finished_at') }}
),

dashboard as (
    select * from {{ source('aiproxy', 'dashboard') }}
    where {{ is_reconciled('bucket_start') }}
),

logs as (
    select * from {{ source('aiproxy', 'logs') }}
    where {{ is_reconciled('created_at') }}
),

reads as (
    select
        source_name,
        scope,
        {{ each_hour('window_start', "window_end - interval '1 microsecond'") }}
            as bucket_start
    from {{ source('aiproxy', 'load_ledger') }}
    where
        stream = 'dashboard'
        and window_end > (select min(reconciled_days.starts_at) from reconciled_days)
        and window_start < (select max(reconciled_days.ends_at) from reconciled_days)
),

hours as (
    select distinct
        source_name,
        scope,
        bucket_start
    from reads
),

details as (
    select
        calls.source_name,
        hours.scope,
        calls.request_model as model,
        calls.bucket_start,
        calls.bucket_start + interval '1' hour as bucket_end,
        count(*) as calls,
        count(case when calls.status_code = 200 then 1 end) as successful_calls,
        sum(calls.input_tokens) as input_tokens,
        sum(calls.output_tokens) as output_tokens,
        sum(calls.total_tokens) as total_tokens,
        sum(calls.cache_read_input_tokens) as cache_read_input_tokens,
        sum(calls.reasoning_output_tokens) as reasoning_output_tokens,
        coalesce(sum(calls.cost_reported), 0) as cost
    from calls
    inner join hours
        on
            calls.source_name = hours.source_name
            and calls.bucket_start = hours.bucket_start
            and (hours.scope = '' or calls.account_id = hours.scope)
    group by
        calls.source_name,
        hours.scope,
        calls.request_model,
        calls.bucket_start
),

-- The gateway adds a job's usage up when the job ends, maybe the day after its call.
jobs as (
    select distinct
        source_name,
        model,
        {{ local_date('created_at') }} as usage_date
    from logs
    where async_usage_status > 0
),

job_days as (
    select * from jobs
    union
    select
        source_name,
        model,
        usage_date + 1 as usage_date
    from jobs
),

controls as (
    select
        dashboard.source_name,
        dashboard.scope,
        nullif(dashboard.model, '') as model,
        dashboard.bucket_start,
        dashboard.bucket_start + interval '1' hour as bucket_end,
        sum(
            cast(dashboard.request_count as decimal(19, 0))
            - coalesce(dashboard.retry_count, 0)
        ) as calls,
        sum(
            cast(dashboard.request_count as decimal(19, 0))
            - coalesce(dashboard.exception_count, 0)
        ) as successful_calls,
        sum(
            case
                -- Releases that do not break failures down.
                when
                    dashboard.status_4xx_count is null
                    and dashboard.status_5xx_count is null
                    and dashboard.status_other_count is null
                    then coalesce(dashboard.exception_count, 0)
                else coalesce(dashboard.status_429_count, 0)
            end
        ) as refusals,
        sum(coalesce(dashboard.input_tokens, 0)) as input_tokens,
        sum(coalesce(dashboard.output_tokens, 0)) as output_tokens,
        sum(coalesce(dashboard.total_tokens, 0)) as total_tokens,
        sum(coalesce(dashboard.cached_tokens, 0)) as cache_read_input_tokens,
        sum(coalesce(dashboard.reasoning_tokens, 0)) as reasoning_output_tokens,
        sum(coalesce(cast(dashboard.used_amount as decimal(38, 12)), 0)) as cost,
        max(
            case
                when job_days.model is not null
                    then 'the control counts async jobs when they end'
            end
        ) as caveat
    from dashboard
    left join job_days
        on
            dashboard.source_name = job_days.source_name
            and dashboard.model = job_days.model
            and {{ local_date('dashboard.bucket_start') }} = job_days.usage_date
    group by
        dashboard.source_name,
        dashboard.scope,
        nullif(dashboard.model, ''),
        dashboard.bucket_start
),

{%- set tokens = {
    'input_tokens': 'input_tokens',
    'output_tokens': 'output_tokens',
    'total_tokens': 'total_tokens',
    'cache_read_input_tokens': 'cache_read_input_tokens',
    'reasoning_output_tokens': 'reasoning_output_tokens',
    'cost': 'cost',
} %}
{%- set measures = dict(
    {'calls': 'calls', 'successful_calls': 'successful_calls'}, **tokens
) %}

final as (
    {{ one_row_per_measure('details', 'logs_vs_dashboard', 'detail', measures) }}
    union all
    {{ one_row_per_measure(
        'controls',
        'logs_vs_dashboard',
        'control',
        measures,
        below={'calls': 'refusals'},
        because='control includes calls refused with 429',
        caveats=dict.fromkeys(tokens, 'caveat'),
    ) }}
)

select * from final
