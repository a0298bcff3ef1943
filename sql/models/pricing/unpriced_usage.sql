-- Grain: one row per source, model and reason for which nothing says what its calls cost.
-- Key: source_name, provider_name, model, reason.
-- Inputs: the calls without a cost; the buckets without one.
{{ config(materialized='table') }}

with usage as (
    select * from {{ ref('int_usage') }}
    where cost_basis = 'unpriced'
),

call_costs as (
    select * from {{ ref('call_costs') }}
),

final as (
    select
        usage.source_name,
        usage.provider_name,
        usage.model,
        coalesce(call_costs.reason_unpriced, 'not_reported') as reason,
        cast(sum(usage.calls) as bigint) as calls,
        cast(sum(usage.total_tokens) as bigint) as total_tokens,
        min(usage.usage_date) as first_seen_date,
        max(usage.usage_date) as last_seen_date
    from usage
    left join call_costs
        on
            usage.usage_id = call_costs.call_id
            and usage.usage_date = call_costs.call_date
            and usage.source_name = call_costs.source_name
    group by
        usage.source_name,
        usage.provider_name,
        usage.model,
        coalesce(call_costs.reason_unpriced, 'not_reported')
)

select * from final
