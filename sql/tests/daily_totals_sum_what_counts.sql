-- daily_totals is the sum of the sources that count, day by day and currency by currency.
with counted as (
    select
        usage_date,
        currency,
        sum(calls) as calls,
        sum(cost) as cost
    from {{ ref('daily_costs') }}
    where counts_in_totals
    group by usage_date, currency
),

totals as (
    select
        usage_date,
        currency,
        sum(calls) as calls,
        sum(cost) as cost
    from {{ ref('daily_totals') }}
    group by usage_date, currency
),

final as (
    select * from counted
    except
    select * from totals
    union all
    (
        select * from totals
        except
        select * from counted
    )
)

select * from final
