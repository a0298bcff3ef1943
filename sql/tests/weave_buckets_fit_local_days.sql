-- No bucket lies in two local days. After a change of reporting_timezone to one with
-- another fraction of an hour, older buckets must be read again by a backfill.
{{ config(severity='warn') }}

with usage_buckets as (
    select * from {{ ref('stg_weave__usage_buckets') }}
    where not ({{ is_held() }})
),

final as (
    select bucket_id
    from usage_buckets
    where
        {{ local_date('bucket_start') }}
        <> {{ local_date("bucket_end - interval '1' second") }}
)

select * from final
