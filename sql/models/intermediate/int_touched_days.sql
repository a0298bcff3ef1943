-- Grain: one row per source and local day that this run rebuilds.
-- Key: source_name, usage_date.
-- Inputs: the windows of the new slices, and the rows that they brought.
-- Rule: windows for the days that became empty, rows for those on a window's very end.
{{ config(materialized='table') }}

with new_slices as (
    select * from {{ ref('int_new_slices') }}
),

calls as (
    select * from {{ ref('int_calls') }}
),

usage_buckets as (
    select * from {{ ref('int_usage_buckets') }}
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
        call_date as usage_date
    from calls
    where load_id in (select new_slices.load_id from new_slices)
    union all
    select
        source_name,
        bucket_date as usage_date
    from usage_buckets
    where load_id in (select new_slices.load_id from new_slices)
),

final as (
    select distinct
        source_name,
        usage_date
    from days
)

select * from final
