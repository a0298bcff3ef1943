-- Grain: one row per source that anything was ever loaded of.
-- Key: source_name.
-- Inputs: the ledger of all loads, the stretches without a gap, the role of the source.
-- Rule: a day is complete if all streams began before it and all scopes reached its end.
-- Rule: a scope counts until a run that was not cut short has left it out.
with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

current_slices as (
    select * from {{ ref('int_current_slices') }}
),

source_roles as (
    select * from {{ ref('int_source_roles') }}
),

-- A snapshot, read as a window of a second, says nothing of days.
slices as (
    select
        *,
        coalesce(run_kind = 'backfill', false) as is_backfill
    from load_ledger
    where {{ milliseconds_between('window_start', 'window_end') }} > 1000
),

runs as (
    select
        source_name,
        stream,
        run_id,
        min(read_started_at) as began_at
    from slices
    where not is_backfill
    group by source_name, stream, run_id
    having count(distinct scope) >= coalesce(max(planned_scopes), 0)
),

last_whole_runs as (
    select
        source_name,
        stream,
        max(began_at) as began_at
    from runs
    group by source_name, stream
),

scopes as (
    select
        source_name,
        stream,
        scope,
        max(case when not is_backfill then read_started_at end) as read_at,
        coalesce(
            min(case when not is_backfill then window_start end), min(window_start)
        ) as nightly_from
    from slices
    group by source_name, stream, scope
),

loaded_scopes as (
    select
        scopes.source_name,
        scopes.stream,
        min(current_slices.stretch_start) as loaded_from,
        max(current_slices.stretch_end) as loaded_to
    from scopes
    inner join current_slices
        on
            scopes.source_name = current_slices.source_name
            and scopes.stream = current_slices.stream
            and scopes.scope = current_slices.scope
            and scopes.nightly_from >= current_slices.stretch_start
            and scopes.nightly_from < current_slices.stretch_end
    left join last_whole_runs
        on
            scopes.source_name = last_whole_runs.source_name
            and scopes.stream = last_whole_runs.stream
    where last_whole_runs.began_at is null or scopes.read_at >= last_whole_runs.began_at
    group by scopes.source_name, scopes.stream, scopes.scope
),

loaded_streams as (
    select
        source_name,
        stream,
        min(loaded_from) as loaded_from,
        min(loaded_to) as loaded_to
    from loaded_scopes
    group by source_name, stream
),

loaded as (
    select
        source_name,
        {{ local_date("max(loaded_from) - interval '1 microsecond'") }} as day_before,
        {{ local_date('min(loaded_to)') }} as day_after
    from loaded_streams
    group by source_name
),

final as (
    select
        loaded.source_name,
        source_roles.counts_in_totals,
        {{ days_after('loaded.day_before', 1) }} as first_day,
        {{ days_after('loaded.day_after', -1) }} as last_day
    from loaded
    inner join source_roles on loaded.source_name = source_roles.source_name
)

select * from final
