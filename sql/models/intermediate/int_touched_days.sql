-- Grain: one row per source and local day that this run rebuilds, with its bounds.
-- Key: source_name, usage_date.
-- Inputs: the windows of the new slices; the rows that they brought to merged tables.
-- Rule: windows for the days that became empty, rows for those on a window's very end.
{{ config(materialized='table') }}

with new_slices as (
    select * from {{ ref('int_new_slices') }}
),

-- A table whose windows are replaced has no row outside of them.
landed as (
    select
        source_name,
        created_at as billed_at,
        _dlt_load_id as load_id
    from {{ source('aiproxy', 'logs') }}
    union all
    select
        source_name,
        request_time as billed_at,
        _dlt_load_id as load_id
    from {{ source('alibaba_model_router', 'observation_logs') }}
),

days as (
    select
        source_name,
        {{ each_day(
            local_date('window_start'),
            local_date("window_end - interval '1 microsecond'"),
        ) }} as usage_date
    from new_slices
    union all
    select
        source_name,
        {{ local_date('billed_at') }} as usage_date
    from landed
    where load_id in ({{ unprocessed_loads() }})
    {% if var('held_sources') %}
        union all
        select
            source_name,
            usage_date
        from {{ source('last_good', 'days') }}
    {% endif %}
),

final as (
    select distinct
        source_name,
        usage_date,
        {{ day_start('usage_date') }} as starts_at,
        {{ day_start(days_after('usage_date', 1)) }} as ends_at
    from days
)

select * from final
