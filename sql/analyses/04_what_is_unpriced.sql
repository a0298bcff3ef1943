-- What is unpriced, since when, and why?
select
    source_name, provider_name, model, reason, calls, total_tokens,
    first_seen_date, last_seen_date
from detail.unpriced_usage
order by total_tokens desc nulls last
