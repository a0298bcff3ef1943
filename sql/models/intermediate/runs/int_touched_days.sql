-- Grain: one row per source and local day that this run rebuilds, with its bounds.
-- Key: source_name, usage_date.
-- Inputs: the windows of the new slices; the rows that they brought to merged tables,
-- where these were before, and the rows that a list says something new of.
-- Rule: windows for the days that became empty, rows for those on a window's very end.
{{ config(materialized='table') }}

with new_slices as (
    select * from {{ ref('int_new_slices') }}
),

sources as (
    select distinct
        source_name,
        -- A billing line belongs to a log row at most an hour away, and may keep another
        -- line, an hour beyond, from doing so.
        case
            when vendor = 'alibaba_model_router' then interval '2' hour
            else interval '0' hour
        end as reach
    from {{ ref('int_load_ledger') }}
),

landed as (
    select * from {{ ref('int_landed_calls') }}
),

calls_before as (
    {{ calls_before() }}
),

lookup_uses as (
    {{ union_of(
        staged('lookup_uses'),
        {'source_name': 'string', 'billed_at': instant_type(), 'load_id': 'string'},
    ) }}
),

rows_of_days as (
    select
        source_name,
        billed_at
    from landed
    union all
    -- A row that came again with another instant has left its old day.
    select
        source_name,
        billed_at
    from calls_before
    where call_id in (select landed.call_id from landed)
    union all
    select
        source_name,
        billed_at
    from lookup_uses
    where load_id in ({{ unprocessed_loads() }})
),

-- Few, where the days of each row would be many to work out.
quarters as (
    select distinct
        source_name,
        {{ quarter_hour('billed_at') }} as starts_at
    from rows_of_days
),

stretches as (
    select
        new_slices.source_name,
        {{ local_date('new_slices.window_start - sources.reach') }} as first_day,
        {{ local_date(
            "new_slices.window_end - interval '1 microsecond' + sources.reach"
        ) }} as last_day
    from new_slices
    inner join sources on new_slices.source_name = sources.source_name
    union distinct
    select
        quarters.source_name,
        {{ local_date('quarters.starts_at - sources.reach') }} as first_day,
        {{ local_date('quarters.starts_at + sources.reach') }} as last_day
    from quarters
    inner join sources on quarters.source_name = sources.source_name
),

days as (
    select
        source_name,
        {{ each_day('first_day', 'last_day') }} as usage_date
    from stretches
    {% if held_sources() %}
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
