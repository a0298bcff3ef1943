-- How far can the figures be trusted? One row; a night's verdict is made from it, too.
with newest as (
    select * from history.publications
    qualify recorded_at = max(recorded_at) over ()
),

known as (
    select
        min(last_complete_date) as complete_through,
        max(last_complete_date) filter (counts_in_totals) as yesterday,
        any_value(sources_behind) as sources_behind,
        max(recorded_at) as published_at,
        any_value(reporting_timezone) as reporting_timezone,
        any_value(reporting_currency) as reporting_currency
    from newest
),

compared as (
    select
        count(*) filter (verdict = 'agrees') as totals_agreeing,
        count(*) filter (verdict = 'differs') as totals_differing
    from reconciliation
),

last_audit as (
    select * from history.audit_runs
    qualify recorded_at = max(recorded_at) over ()
),

audited as (
    select
        cast(coalesce(sum(days), 0) as bigint) as audited_days,
        cast(coalesce(sum(healed_days), 0) as bigint) as healed_days,
        cast(coalesce(sum(differing_days), 0) as bigint) as differing_days
    from last_audit
),

rejected as (
    select count(*) as rejected_values from ops.rejected_values
),

unpriced as (
    select cast(coalesce(sum(calls), 0) as bigint) as unpriced_calls
    from detail.unpriced_usage
),

unconverted as (
    select cast(coalesce(sum(costs.unconverted_calls), 0) as bigint) as unconverted_calls
    from detail.daily_costs_converted as costs
    inner join known on costs.usage_date > known.yesterday - 30
    where costs.counts_in_totals
),

held as (
    select count(distinct source_name) as held_sources from ops.held_sources
)

select
    known.*,
    compared.*,
    audited.*,
    rejected.*,
    unpriced.*,
    unconverted.*,
    held.*
from known
cross join compared
cross join audited
cross join rejected
cross join unpriced
cross join unconverted
cross join held
