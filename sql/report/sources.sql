-- How far is each source loaded and complete, and what holds it back?
with newest as (
    select
        *,
        last_complete_date < max(last_complete_date) over (partition by recorded_at)
            as is_behind
    from history.publications
    qualify recorded_at = max(recorded_at) over ()
),

loaded as (
    select
        source_name,
        min(last_window_end) as loaded_to,
        cast(sum(gaps) as bigint) as gaps
    from ops.load_status
    group by source_name
),

held as (
    select
        source_name,
        min(held_since) as held_since,
        any_value(finding) as finding
    from ops.held_sources
    group by source_name
)

select
    newest.source_name,
    loaded.loaded_to,
    newest.last_complete_date,
    newest.is_behind,
    newest.counts_in_totals,
    coalesce(loaded.gaps, 0) as gaps,
    held.held_since,
    held.finding
from newest
left join loaded on newest.source_name = loaded.source_name
left join held on newest.source_name = held.source_name
order by newest.source_name
