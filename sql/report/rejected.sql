-- Which numbers that vendors sent cannot be summed, and are NULL?
select
    source_name,
    column_name,
    why,
    count(*) as rejected_values,
    min(usage_date) as first_seen_date,
    max(usage_date) as last_seen_date
from ops.rejected_values
group by source_name, column_name, why
order by count(*) desc, source_name asc, column_name asc
