-- Incremental days neither lose nor double a bucket. Its cost may change with what
-- a vendor's price book says now, and closed days keep what it said then.
with staged as (
    select
        source_name,
        bucket_date,
        count(*) as buckets,
        sum(calls) as calls,
        sum(total_tokens) as total_tokens
    from {{ ref('int_usage_buckets') }}
    where
        bucket_date is not null
        and {{ tested('bucket_start') }}
    group by source_name, bucket_date
),

built as (
    select
        source_name,
        bucket_date,
        count(*) as buckets,
        sum(calls) as calls,
        sum(total_tokens) as total_tokens
    from {{ ref('usage_buckets') }}
    where
        bucket_date is not null
        and {{ tested('bucket_date') }}
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
