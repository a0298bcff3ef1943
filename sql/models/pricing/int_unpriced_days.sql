-- Grain: one row per source, local day, model and reason of usage without a cost.
-- Key: source_name, usage_date, provider_name, model, reason.
-- Inputs: the calls without a cost; the buckets without one.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    on_schema_change='sync_all_columns',
    schema='intermediate',
) }}

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

usage as (
    select * from {{ ref('int_usage') }}
    where
        cost_basis = 'unpriced'
        {% if is_incremental() %}
            and {{ in_touched_days('usage_date') }}
        {% endif %}
),

call_costs as (
    select * from {{ ref('call_costs') }}
    {% if is_incremental() %}
        where {{ near_touched_days('call_date') }}
    {% endif %}
),

final as (
    select
        usage.source_name,
        usage.usage_date,
        usage.provider_name,
        usage.model,
        coalesce(call_costs.reason_unpriced, 'not_reported') as reason,
        cast(sum(usage.calls) as bigint) as calls,
        cast(sum(usage.total_tokens) as bigint) as total_tokens
    from usage
    left join call_costs
        on
            usage.usage_id = call_costs.call_id
            and usage.usage_date = call_costs.call_date
            and usage.source_name = call_costs.source_name
    group by
        usage.source_name,
        usage.usage_date,
        usage.provider_name,
        usage.model,
        coalesce(call_costs.reason_unpriced, 'not_reported')
)

select * from final
