-- Which closed days were restated by the publications of the last 30 days, and why?
select
    recorded_at as restated_at,
    usage_date,
    source_name,
    team,
    measure,
    currency,
    old_value,
    new_value,
    difference,
    cause
from history.restatements
where
    recorded_at
    > (select max(publications.recorded_at) from history.publications) - interval 30 day
    and difference <> 0
order by
    recorded_at desc,
    measure in ('cost', 'calls', 'total_tokens') desc,
    usage_date desc,
    source_name asc,
    measure asc
