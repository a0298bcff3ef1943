-- Incremental days neither lose nor double a bucket.
with staged as (
    select
        source_name,
        bucket_date,
        count(*) as buckets,
        sum(calls) as calls,
        sum(total_tokens) as total_tokens,
        sum(cost_reported) as cost
    from {{ ref('int_usage_buckets') }}
    group by source_name, bucket_date
),

built as (
    select
        source_name,
        bucket_date,
        count(*) as buckets,
        sum(calls) as calls,
        sum(total_tokens) as total_tokens,
        sum(cost_reported) as cost
    from {{ ref('usage_buckets') }}
    group by source_name, bucket_date
),

final as (
    select * from staged
    except
    select * from built
    union all
    (
        select * from built
        except
        select * from staged
    )
)

select * from final
