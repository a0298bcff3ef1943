-- Grain: one row per number of a call or bucket that cannot be summed.
-- Key: row_kind, row_id, column_name.
-- Inputs: the marts calls and usage_buckets, whose rows keep what was sent.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
) }}

{%- set versions = [] %}
{%- for column in limits() %}
    {%- set sent = json_text('rejected', column) %}
    {%- do versions.append({
        'column_name': "'" ~ column ~ "'",
        'value_sent': sent,
        'why': why_rejected(column, sent),
    }) %}
{%- endfor %}

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

calls as (
    select * from {{ ref('calls') }}
    where rejected is not null
),

usage_buckets as (
    select * from {{ ref('usage_buckets') }}
    where rejected is not null
),

rows_of_both as (
    select
        source_name,
        'call' as row_kind,
        call_id as row_id,
        call_date as usage_date,
        rejected
    from calls
    union all
    select
        source_name,
        'usage_bucket' as row_kind,
        bucket_id as row_id,
        bucket_date as usage_date,
        rejected
    from usage_buckets
),

affected as (
    select * from rows_of_both
    {% if is_incremental() %}
        where {{ in_touched_days('usage_date') }}
    {% endif %}
),

final as (
    {{ each_version(
        'affected', ['source_name', 'row_kind', 'row_id', 'usage_date'], versions, given='value_sent'
    ) }}
)

select * from final
