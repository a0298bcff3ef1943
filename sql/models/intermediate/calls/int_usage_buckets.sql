-- Grain: one row per stretch of time that a vendor reports only in sum, of all vendors.
-- Key: bucket_id.
-- Rule: a bucket lies in the local day of its start.
with usage_buckets as (
    select * from {{ ref('int_usage_buckets_unioned') }}
),

final as (
    select
        *,
        {{ local_date('bucket_start') }} as bucket_date,
        coalesce(response_model, request_model) as model
    from usage_buckets
)

select * from final
