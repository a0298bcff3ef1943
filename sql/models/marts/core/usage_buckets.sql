-- Grain: one row per stretch of time that a vendor reports only in sum.
-- Key: bucket_id.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'bucket_date'],
    pre_hook="{{ note_unpublished_days() }}",
) }}

with usage_buckets as (
    select * from {{ ref('int_usage_buckets') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

final as (
    select * from usage_buckets
    {% if is_incremental() %}
        where {{ in_touched_days('bucket_date', 'bucket_start') }}
    {% endif %}
)

select * from final
