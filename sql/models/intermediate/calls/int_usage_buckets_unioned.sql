-- Grain: one row per stretch of time that a vendor reports only in sum, of all vendors.
-- Key: bucket_id.
-- Inputs: the buckets of each vendor's staging that has some, see macros/vendors.sql.
-- Rule: a number that cannot be summed is NULL here, and in `rejected` as sent.
with staged as (
    {{ admitted_union_of(staged('usage_buckets'), usage_bucket_columns()) }}
),

final as (
    {{ or_as_published(
        'staged', 'usage_buckets', 'bucket_start', admitted_columns(usage_bucket_columns())
    ) }}
)

select * from final
