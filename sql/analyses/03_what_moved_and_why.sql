-- What moved each source's cost on the last day it knows: volume, mix, price or cache?
with known as (
    select *, last_complete_date as usage_date
    from history.publications qualify recorded_at = max(recorded_at) over ()
)

select
    known.source_name, known.usage_date, model, currency, cost, baseline_date,
    cost_change, round(volume_effect, 6) as volume, round(mix_effect, 6) as mix,
    round(price_effect, 6) as price, round(cache_effect, 6) as cache
from known left join detail.cost_drivers as drivers
    on known.source_name = drivers.source_name and known.usage_date = drivers.usage_date
where known.counts_in_totals
order by abs(cost_change) desc nulls last
