-- Grain: one row per source and local day that this run reconciles anew.
-- Key: source_name, usage_date.
-- Inputs: the days that this run rebuilds.
-- Rule: with the day before, in whose last hour a touched day may begin or have asked for
-- a job, and the day after, whose calls may have been asked for in a touched day.
{{ config(materialized='table') }}

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

days as (
    {%- for number in [-1, 0, 1] %}
        select
            source_name,
            {{ days_after('usage_date', number) }} as usage_date
        from touched_days
        {{ "union" if not loop.last }}
    {%- endfor %}
),

final as (
    select
        source_name,
        usage_date,
        {{ day_start(days_after('usage_date', -1)) }} as starts_at,
        {{ day_start(days_after('usage_date', 1)) }} + interval '1' hour as ends_at
    from days
)

select * from final
