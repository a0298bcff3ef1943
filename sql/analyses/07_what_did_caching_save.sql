-- What share of the last known day's input came from a cache, and what did that save?
with known as (
    select source_name, max_by(last_complete_date, recorded_at) as usage_date
    from history.publications group by source_name
)
select
    source_name, usage_date, model, currency, read_saving, creation_surcharge,
    read_saving - creation_surcharge as saved,
    round(
        sum(tokens.cache_read_input_tokens) / nullif(sum(cache_known_input_tokens), 0), 3
    ) as hit_ratio
from known inner join detail.daily_tokens as tokens using (source_name, usage_date)
left join detail.cache_savings using (source_name, usage_date, model)
group by all order by saved desc nulls last, hit_ratio desc nulls last
