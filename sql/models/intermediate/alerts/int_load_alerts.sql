-- Grain: one row per alert on loading: a day whose totals differ, a held source.
-- Key: rule, source_name, usage_date.
-- Inputs: reconciliation, the sources that are held.
-- Rule: a total that differs here was read again by the night's audit, and still does.
with reconciliation as (
    select * from {{ ref('reconciliation') }}
),

held_sources as (
    select * from {{ ref('held_sources') }}
),

differing as (
    select
        source_name,
        usage_date,
        count(*) as totals
    from reconciliation
    where verdict = 'differs'
    group by
        source_name,
        usage_date
),

held as (
    select
        source_name,
        min(held_since) as held_since,
        sum(failing_rows) as failing_rows
    from held_sources
    group by source_name
),

final as (
    select
        'differs' as rule,
        source_name,
        usage_date,
        'totals' as measure,
        cast(totals as decimal(38, 12)) as value,
        cast(0 as decimal(38, 12)) as threshold,
        source_name || ' does not meet ' || cast(totals as string)
        || case when totals = 1 then ' total' else ' totals' end
        || ' of its vendor on ' || cast(usage_date as string)
        || ', after an audit' as message,
        'from reconciliation where source_name = ' || {{ literal_text('source_name') }}
        || ' and usage_date = ' || {{ literal_text('usage_date') }}
        || ' and verdict = ''differs''' as query
    from differing
    union all
    select
        'held' as rule,
        source_name,
        null as usage_date,
        'rows' as measure,
        cast(failing_rows as decimal(38, 12)) as value,
        cast(0 as decimal(38, 12)) as threshold,
        source_name || ' is published as it was before ' || {{ utc_text('held_since') }}
        || ': ' || cast(failing_rows as string) || ' of its new rows break a rule'
            as message,
        'from ops.held_sources where source_name = ' || {{ literal_text('source_name') }}
            as query
    from held
)

select * from final
