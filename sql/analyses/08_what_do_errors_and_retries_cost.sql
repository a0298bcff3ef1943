-- What did failed calls and retries cost, in the last seven complete days?
select
    source_name, currency, count(*) as calls, count(error_type) as failed,
    sum(cost) filter (error_type is not null) as cost_of_failed,
    count(*) filter (error_type is not null and cost is null) as failed_without_cost,
    sum(request_count - 1)::bigint as retries,
    sum(cost) filter (request_count > 1) as cost_of_retried
from calls
where (select max(complete_through) from freshness) - call_date between 0 and 6
group by source_name, currency order by failed + coalesce(retries, 0) desc
