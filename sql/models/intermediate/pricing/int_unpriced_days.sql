-- Grain: one row per source, local day, model and reason of usage without a cost.
-- Key: source_name, usage_date, provider_name, model, reason.
-- Inputs: the calls without a cost; the buckets without one.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    on_schema_change='sync_all_columns',
) }}

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

daily_usage as (
    select * from {{ ref('int_daily_usage') }}
    where
        cost_basis = 'unpriced'
        {% if is_incremental() %}
            and {{ in_touched_days('usage_date') }}
        {% endif %}
),

final as (
    select
        source_name,
        usage_date,
        provider_name,
        model,
        reason_unpriced as reason,
        cast(sum(calls) as bigint) as calls,
        cast(sum(total_tokens) as bigint) as total_tokens
    from daily_usage
    group by
        source_name,
        usage_date,
        provider_name,
        model,
        reason_unpriced
)

select * from final
