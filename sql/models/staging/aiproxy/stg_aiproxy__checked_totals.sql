-- Grain: one row per pair, side, scope, hour, model and measure.
-- Key: all of these and source_name.
-- Inputs: the log rows, and the totals that the gateway keeps beside them.
-- Rule: an attempt that was tried again is in the totals only; so is a refusal with 429;
-- an hour of which no total was read is not here.
{{ config(materialized='view_of_run') }}

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

jobs as (
    select
        {{ call_id('aiproxy', 'logs') }} as call_id,
        logs.source_name,
        logs.model,
        date_trunc('hour', logs.request_at) as requested_in,
        logs.async_usage_status = 1 as is_pending,
        logs._dlt_load_id as load_id
    from logs
    where logs.async_usage_status > 0
),

-- A call is counted in the hour in which it ended, and so is its usage; but that of an
-- async job, whenever it comes, in the hour of its request.
placed as (
    select
        calls.*,
        calls.bucket_start as counted_in,
        coalesce(jobs.requested_in, calls.bucket_start) as used_in
    from calls
    left join jobs on calls.call_id = jobs.call_id
),

counted as (
    select
        source_name,
        account_id,
        request_model as model,
        counted_in as bucket_start,
        1 as calls,
        case when status_code = 200 then 1 else 0 end as successful_calls,
        case when status_code not in (200, 429) then 1 else 0 end as failed_calls,
        case when used_in = counted_in then input_tokens else 0 end as input_tokens,
        case when used_in = counted_in then output_tokens else 0 end as output_tokens,
        case when used_in = counted_in then total_tokens else 0 end as total_tokens,
        case when used_in = counted_in then cache_read_input_tokens else 0 end
            as cache_read_input_tokens,
        case when used_in = counted_in then reasoning_output_tokens else 0 end
            as reasoning_output_tokens,
        case when used_in = counted_in then cost_reported else 0 end as cost_reported
    from placed
    union all
    select
        source_name,
        account_id,
        request_model as model,
        used_in as bucket_start,
        0 as calls,
        0 as successful_calls,
        0 as failed_calls,
        input_tokens,
        output_tokens,
        total_tokens,
        cache_read_input_tokens,
        reasoning_output_tokens,
        cost_reported
    from placed
    where used_in <> counted_in
),

details as (
    select
        counted.source_name,
        hours.scope,
        counted.model,
        counted.bucket_start,
        counted.bucket_start + interval '1' hour as bucket_end,
        sum(counted.calls) as calls,
        sum(counted.successful_calls) as successful_calls,
        sum(counted.failed_calls) as failed_calls,
        sum(counted.input_tokens) as input_tokens,
        sum(counted.output_tokens) as output_tokens,
        sum(counted.total_tokens) as total_tokens,
        sum(counted.cache_read_input_tokens) as cache_read_input_tokens,
        sum(counted.reasoning_output_tokens) as reasoning_output_tokens,
        coalesce(sum(counted.cost_reported), 0) as cost
    from counted
    inner join hours
        on
            counted.source_name = hours.source_name
            and counted.bucket_start = hours.bucket_start
            and (hours.scope = '' or counted.account_id = hours.scope)
    group by
        counted.source_name,
        hours.scope,
        counted.model,
        counted.bucket_start
),

job_hours as (
    select
        source_name,
        model,
        requested_in,
        max(case when is_pending then 1 else 0 end) as pending_jobs,
        max(load_id) as load_id
    from jobs
    group by
        source_name,
        model,
        requested_in
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
        -- An attempt that was tried again is in one of these, and which is not said.
        sum(
            case
                when
                    dashboard.status_4xx_count is not null
                    or dashboard.status_5xx_count is not null
                    or dashboard.status_other_count is not null
                    then
                        coalesce(dashboard.exception_count, 0)
                        - coalesce(dashboard.status_429_count, 0)
                        - coalesce(dashboard.retry_count, 0)
            end
        ) as failed_calls,
        sum(
            least(
                coalesce(dashboard.status_429_count, 0),
                coalesce(dashboard.retry_count, 0)
            )
        ) as retries_of_429,
        sum(coalesce(dashboard.input_tokens, 0)) as input_tokens,
        sum(coalesce(dashboard.output_tokens, 0)) as output_tokens,
        sum(coalesce(dashboard.total_tokens, 0)) as total_tokens,
        sum(coalesce(dashboard.cached_tokens, 0)) as cache_read_input_tokens,
        sum(coalesce(dashboard.reasoning_tokens, 0)) as reasoning_output_tokens,
        sum(coalesce(cast(dashboard.used_amount as decimal(38, 12)), 0)) as cost,
        max(
            case
                when
                    job_hours.pending_jobs > 0
                    or job_hours.load_id > dashboard._dlt_load_id
                    then 'the control was read before an async job of this hour ended'
            end
        ) as caveat
    from dashboard
    left join job_hours
        on
            dashboard.source_name = job_hours.source_name
            and dashboard.model = job_hours.model
            and dashboard.bucket_start = job_hours.requested_in
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
    {
        'calls': 'calls',
        'successful_calls': 'successful_calls',
        'failed_calls': 'failed_calls',
    },
    **tokens
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
        above={'failed_calls': 'retries_of_429'},
        because='control includes calls refused with 429',
        caveats=dict.fromkeys(tokens, 'caveat'),
    ) }}
)

select * from final
