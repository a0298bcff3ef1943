-- What moved the cost of the last complete day since the day that it is held against?
-- Both days are converted at the rate of the later one, so that no rate moves anything.
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
),

drivers as (
    select
        cost_drivers.*,
        cast(daily_exchange_rates.exchange_rate as decimal(18, 9)) as rate
    from detail.cost_drivers
    inner join known on cost_drivers.usage_date = known.usage_date
    left join detail.daily_exchange_rates
        on
            cost_drivers.usage_date = daily_exchange_rates.usage_date
            and cost_drivers.currency = daily_exchange_rates.currency
    where cost_drivers.counts_in_totals
),

sums as (
    select
        any_value(usage_date) as usage_date,
        min(baseline_date) as first_baseline,
        max(baseline_date) as last_baseline,
        string_agg(distinct currency, ', ' order by currency) filter (rate is null)
            as unconverted,
        sum(cast(baseline_cost as decimal(20, 8)) * rate)
        filter (baseline_date is not null) as baseline,
        sum(cast(volume_effect as decimal(20, 8)) * rate) as volume,
        sum(cast(mix_effect as decimal(20, 8)) * rate) as mix,
        sum(cast(price_effect as decimal(20, 8)) * rate) as price,
        sum(cast(cache_effect as decimal(20, 8)) * rate) as cache,
        sum(cast(cost as decimal(20, 8)) * rate) filter (baseline_date is null)
            as without_baseline,
        sum(cast(cost as decimal(20, 8)) * rate) as cost,
        sum(cast(cost_change as decimal(20, 8)) * rate) filter (baseline_date is not null)
            as change
    from drivers
),

steps as (
    select
        *,
        unnest(
            ['baseline', 'volume', 'mix', 'price', 'cache', 'not comparable', 'day']
        ) as step,
        unnest([baseline, volume, mix, price, cache, without_baseline, cost]) as amount,
        unnest([1, 2, 3, 4, 5, 6, 7]) as place
    from sums
    where baseline is not null
),

known_steps as (
    select
        usage_date,
        first_baseline,
        last_baseline,
        unconverted,
        change,
        place,
        step in ('baseline', 'day') as is_sum,
        case
            when step = 'day' then strftime(usage_date, '%a %-d %b')
            when step <> 'baseline' then step
            when first_baseline = last_baseline then strftime(first_baseline, '%a %-d %b')
            else 'days before'
        end as label,
        amount
    from steps
    where amount is not null
),

-- The sums stand on the ground, every other step on the one before it.
final as (
    select
        *,
        lead(label) over (order by place) as next_label,
        if(is_sum, 0, sum(amount) over (order by place) - amount) as begins_at,
        if(is_sum, amount, sum(amount) over (order by place)) as ends_at
    from known_steps
)

select * from final
order by place
