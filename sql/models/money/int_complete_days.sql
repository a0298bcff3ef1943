-- Grain: one row per source that anything was ever loaded of.
-- Key: source_name.
-- Inputs: the windows of its loads, its role.
-- Rule: a day is complete if it begins and ends between the first and the last of them.
{{ config(schema='intermediate') }}

with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

source_roles as (
    select * from {{ ref('int_source_roles') }}
),

loaded as (
    select
        source_name,
        {{ local_date("min(window_start) - interval '1 microsecond'") }} as day_before,
        {{ local_date('max(window_end)') }} as day_after
    from load_ledger
    group by source_name
),

final as (
    select
        loaded.source_name,
        source_roles.counts_in_totals,
        cast({{ dbt.dateadd('day', 1, 'loaded.day_before') }} as date) as first_day,
        cast({{ dbt.dateadd('day', -1, 'loaded.day_after') }} as date) as last_day
    from loaded
    inner join source_roles on loaded.source_name = source_roles.source_name
)

select * from final
