-- Which models moved the cost of the last complete day most, in their own currency?
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
)

select
    drivers.model,
    drivers.source_name,
    drivers.currency,
    drivers.cost,
    drivers.cost_change,
    drivers.volume_effect,
    drivers.mix_effect,
    drivers.price_effect,
    drivers.cache_effect
from detail.cost_drivers as drivers
inner join known on drivers.usage_date = known.usage_date
left join detail.daily_exchange_rates as rates
    on drivers.usage_date = rates.usage_date and drivers.currency = rates.currency
where drivers.counts_in_totals and drivers.baseline_date is not null
order by
    abs(cast(drivers.cost_change as double) * rates.exchange_rate) desc nulls last,
    drivers.model
