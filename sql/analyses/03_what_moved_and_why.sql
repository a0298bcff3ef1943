-- What moved yesterday's cost, and why: volume, mix, price or cache?
select
    source_name, model, currency, cost, baseline_date, cost_change,
    round(volume_effect, 6) as volume, round(mix_effect, 6) as mix,
    round(price_effect, 6) as price, round(cache_effect, 6) as cache,
    (select arg_max_null(sources_behind, recorded_at) from publications) as sources_behind
from cost_drivers
where
    counts_in_totals
    and usage_date = (select max(last_complete_date) from publications)
order by abs(cost_change) desc nulls last
