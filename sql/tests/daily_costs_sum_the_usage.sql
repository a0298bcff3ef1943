-- Every call is in daily_costs once, under its currency, in its own day and source.
with usage as (
    select
        source_name,
        usage_date,
        currency,
        sum(calls) as calls,
        sum(cost) as cost,
        sum(total_tokens) as total_tokens
    from {{ ref('int_usage') }}
    where {{ tested('usage_date') }}
    group by source_name, usage_date, currency
),

daily as (
    select
        source_name,
        usage_date,
        currency,
        sum(calls) as calls,
        sum(cost) as cost,
        sum(priced_tokens + unpriced_tokens) as total_tokens
    from {{ ref('daily_costs') }}
    where {{ tested('usage_date') }}
    group by source_name, usage_date, currency
),

final as (
    select * from usage
    except
    select * from daily
    union all
    (
        select * from daily
        except
        select * from usage
    )
)

select * from final
