-- What share of yesterday's input came from a cache, and what did that save?
with hits as (
    select
        usage_date, source_name, model, sum(cache_read_input_tokens)
        / nullif(sum(cache_known_input_tokens), 0) as hit_ratio
    from daily_tokens
    where usage_date = (select max(last_complete_date) from publications) group by all
)
select
    source_name, model, round(hit_ratio, 3) as hit_ratio, currency, read_saving,
    creation_surcharge, read_saving - creation_surcharge as saved,
    (select arg_max_null(sources_behind, recorded_at) from publications) as sources_behind
from hits left join cache_savings using (usage_date, source_name, model)
order by saved desc nulls last, hit_ratio desc nulls last
