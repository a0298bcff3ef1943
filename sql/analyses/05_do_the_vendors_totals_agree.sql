-- Do our rows agree with the vendors' own totals, over the last seven complete days?
select
    source_name, pair, verdict, count(*) as totals,
    max(abs(difference)) filter (verdict <> 'not_comparable') as largest_difference,
    string_agg(distinct reason, '; ' order by reason) as reasons
from reconciliation
where (select max(complete_through) from freshness) - usage_date between 0 and 6
group by source_name, pair, verdict
order by verdict <> 'differs', source_name, pair, verdict
