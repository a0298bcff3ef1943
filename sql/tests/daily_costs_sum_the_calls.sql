-- Of sources rolled up from calls, daily_costs is what the calls of a day cost together.
with call_costs as (
    select * from {{ ref('call_costs') }}
),

usage_buckets as (
    select * from {{ ref('usage_buckets') }}
),

source_roles as (
    select * from {{ ref('int_source_roles') }}
    where rollup_from = 'calls'
),

facts as (
    select
        source_name,
        call_date as usage_date,
        currency,
        cost,
        priced_tokens,
        unpriced_tokens
    from call_costs
    where {{ tested('call_date') }}
    union all
    select
        source_name,
        bucket_date as usage_date,
        currency,
        cost_reported as cost,
        0 as priced_tokens,
        0 as unpriced_tokens
    from usage_buckets
    where
        calls = 0
        and total_tokens is null
        and cost_reported is not null
        and {{ tested('bucket_date') }}
),

summed as (
    select
        source_name,
        usage_date,
        currency,
        sum(cost) as cost,
        coalesce(sum(priced_tokens), 0) as priced_tokens,
        coalesce(sum(unpriced_tokens), 0) as unpriced_tokens
    from facts
    where source_name in (select source_roles.source_name from source_roles)
    group by source_name, usage_date, currency
),

daily as (
    select
        source_name,
        usage_date,
        currency,
        sum(cost) as cost,
        coalesce(sum(priced_tokens), 0) as priced_tokens,
        coalesce(sum(unpriced_tokens), 0) as unpriced_tokens
    from {{ ref('daily_costs') }}
    where
        source_name in (select source_roles.source_name from source_roles)
        and {{ tested('usage_date') }}
    group by source_name, usage_date, currency
),

final as (
    select * from summed
    except
    select * from daily
    union all
    (
        select * from daily
        except
        select * from summed
    )
)

select * from final
