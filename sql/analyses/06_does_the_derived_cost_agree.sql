-- Does our derived cost agree with the reported one, over seven days, and if not, why?
select
    source_name, currency, reason, sum(calls)::bigint as calls,
    sum(cost_reported) as cost_reported, sum(cost_derived) as cost_derived,
    sum(cost_variance) as cost_variance
from detail.cost_variance
where (select max(complete_through) from freshness) - usage_date between 0 and 6
group by source_name, currency, reason
order by abs(sum(cost_variance)) desc nulls last, calls desc
