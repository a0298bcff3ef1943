-- What did each of the last 30 complete days cost, by team, model, source, app or key?
-- Of each the eight largest by any measure, and all others as one; rows without a day are
-- sums of all days, and those without a place sums of all names.
with known as (
    select max(last_complete_date) as usage_date from history.publications
    where counts_in_totals
    group by recorded_at
    order by recorded_at desc limit 1
),

costs as (
    select daily_costs_converted.* from detail.daily_costs_converted
    inner join known
        on
            daily_costs_converted.usage_date > known.usage_date - 30
            and daily_costs_converted.usage_date <= known.usage_date
    where daily_costs_converted.counts_in_totals
),

named as (
    select
        usage_date,
        cost_in_reporting_currency as cost,
        priced_tokens + unpriced_tokens as tokens,
        calls,
        if(cost is null, calls, 0) as unpriced_calls,
        unconverted_calls,
        unnest(['team', 'model', 'source', 'key']) as dimension,
        unnest([
            team,
            coalesce(model, 'no model'),
            source_name,
            concat_ws(' / ', account_id, coalesce(app_name, api_key_name, 'no key'))
        ]) as name
    from costs
),

shares as (
    select
        dimension,
        name,
        coalesce(sum(cost) / nullif(sum(sum(cost)) over per_dimension, 0), 0) as of_cost,
        coalesce(sum(tokens) / nullif(sum(sum(tokens)) over per_dimension, 0), 0)
            as of_tokens,
        coalesce(sum(calls) / nullif(sum(sum(calls)) over per_dimension, 0), 0)
            as of_calls
    from named
    group by dimension, name
    window per_dimension as (partition by dimension)
),

places as (
    select
        dimension,
        name,
        row_number() over (
            partition by dimension
            order by greatest(of_cost, of_tokens, of_calls) desc, name asc
        ) as place,
        count(*) over (partition by dimension) - 8 as others
    from shares
),

final as (
    select
        named.*,
        least(places.place, 9) as place,
        if(places.place <= 8, named.name, places.others || ' others') as shown_name
    from named
    inner join places
        on named.dimension = places.dimension and named.name = places.name
)

select
    dimension,
    place,
    shown_name as name,
    usage_date,
    sum(cost) as cost,
    cast(sum(tokens) as bigint) as tokens,
    cast(sum(calls) as bigint) as calls,
    cast(sum(unpriced_calls) as bigint) as unpriced_calls,
    cast(sum(unconverted_calls) as bigint) as unconverted_calls,
    count(distinct usage_date) as days
from final
group by
    grouping sets (
        (dimension, place, shown_name, usage_date),
        (dimension, place, shown_name),
        (dimension)
    )
order by dimension asc, place asc nulls first, usage_date asc nulls first
