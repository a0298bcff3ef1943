-- What did failed calls and retries cost, in the last seven complete days?
with seen as (
    select error_type, request_count, call_costs.* from calls
    inner join call_costs on calls.call_id = call_costs.call_id
)
select
    source_name, currency, count(*) as calls, count(error_type) as failed,
    sum(cost) filter (error_type is not null) as cost_of_failed,
    count(*) filter (error_type is not null and cost is null) as failed_without_cost,
    sum(request_count - 1)::bigint as retries,
    sum(cost) filter (request_count > 1) as cost_of_retried
from seen
where (select max(last_complete_date) from publications) - call_date between 0 and 6
group by source_name, currency order by failed + coalesce(retries, 0) desc
