-- Is last night's load complete and fresh, per source?
select
    source_name, min(last_window_end) as loaded_up_to,
    round(epoch(now() - min(last_window_end)) / 3600, 1) as hours_behind,
    sum(gaps)::bigint as gaps, sum(disagreeing_windows)::bigint as disagreeing_windows,
    (
        select max(publications.last_complete_date) from history.publications
        where publications.source_name = load_status.source_name
    ) as last_complete_date
from ops.load_status
group by source_name
order by last_complete_date asc, hours_behind desc
