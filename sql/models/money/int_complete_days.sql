-- Grain: one row per source that anything was ever loaded of.
-- Key: source_name.
-- Inputs: the windows of its streams, its role.
-- Rule: a day is complete if every stream began before it and one has reached its end.
{{ config(schema='intermediate') }}

with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

source_roles as (
    select * from {{ ref('int_source_roles') }}
),

streams as (
    select
        source_name,
        stream,
        min(window_start) as loaded_from,
        max(window_end) as loaded_to
    from load_ledger
    -- A snapshot, read as a window of a second, says nothing of days.
    where {{ milliseconds_between('window_start', 'window_end') }} > 1000
    group by
        source_name,
        stream
),

loaded as (
    select
        source_name,
        {{ local_date("max(loaded_from) - interval '1 microsecond'") }} as day_before,
        {{ local_date('max(loaded_to)') }} as day_after
    from streams
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
