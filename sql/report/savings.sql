-- What did caching save at list prices, over the last 30 complete days?
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
)

select
    savings.currency,
    sum(savings.read_saving - savings.creation_surcharge) as saved
from detail.cache_savings as savings
inner join known
    on
        savings.usage_date > known.usage_date - 30
        and savings.usage_date <= known.usage_date
inner join history.publications as sources
    on
        savings.source_name = sources.source_name
        and sources.recorded_at = (select max(recorded_at) from history.publications)
where sources.counts_in_totals
group by savings.currency
order by saved desc
