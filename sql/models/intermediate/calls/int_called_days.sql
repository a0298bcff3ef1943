-- Grain: one row per source and local day that is rolled up from calls, not from buckets.
-- Key: source_name, usage_date.
-- Inputs: the roles of the sources, the stretches that the ledger says were read.
-- Rule: of each scope whose buckets of that day were read, the calls must have been.
{{ config(materialized='table') }}

with source_roles as (
    select * from {{ ref('int_source_roles') }}
),

slices as (
    select * from {{ ref('int_current_slices') }}
),

stretches as (
    select distinct
        source_name,
        stream,
        scope,
        stretch_start,
        stretch_end
    from slices
),

bucket_days as (
    select
        stretches.source_name,
        stretches.scope,
        stretches.stretch_start,
        stretches.stretch_end,
        source_roles.calls_stream,
        {{ each_day(
            local_date('stretches.stretch_start'),
            local_date("stretches.stretch_end - interval '1 microsecond'"),
        ) }} as usage_date
    from stretches
    inner join source_roles
        on
            stretches.source_name = source_roles.source_name
            and stretches.stream = source_roles.buckets_stream
),

scoped as (
    select
        bucket_days.source_name,
        bucket_days.usage_date,
        bucket_days.scope,
        bucket_days.stretch_start,
        count(calls.stretch_start) > 0 as is_called
    from bucket_days
    left join stretches as calls
        on
            bucket_days.source_name = calls.source_name
            and bucket_days.calls_stream = calls.stream
            and bucket_days.scope = calls.scope
            -- Buckets begin on whole hours, calls at the instant that is asked for.
            and calls.stretch_start <= greatest(
                {{ day_start('bucket_days.usage_date') }}, bucket_days.stretch_start
            ) + interval '1' hour
            and calls.stretch_end >= least(
                {{ day_start(days_after('bucket_days.usage_date', 1)) }},
                bucket_days.stretch_end
            )
    group by
        bucket_days.source_name,
        bucket_days.usage_date,
        bucket_days.scope,
        bucket_days.stretch_start
),

final as (
    select
        source_name,
        usage_date
    from scoped
    group by
        source_name,
        usage_date
    having min(case when is_called then 1 else 0 end) = 1
)

select * from final
