-- What share of each day's input came from a cache? The row without a day is of all days.
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
)

select
    tokens.source_name,
    tokens.usage_date,
    cast(sum(tokens.cache_read_input_tokens) as bigint) as cached_tokens,
    cast(sum(tokens.cache_known_input_tokens) as bigint) as known_tokens,
    sum(tokens.cache_read_input_tokens) / nullif(sum(tokens.cache_known_input_tokens), 0)
        as hit_ratio
from detail.daily_tokens as tokens
inner join known
    on
        tokens.usage_date > known.usage_date - 30
        and tokens.usage_date <= known.usage_date
where tokens.counts_in_totals
group by grouping sets ((), (tokens.source_name, tokens.usage_date))
having sum(tokens.cache_known_input_tokens) > 0
order by tokens.usage_date nulls first, tokens.source_name
