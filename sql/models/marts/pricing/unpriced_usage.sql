-- Grain: one row per source, model and reason for which nothing says what its calls cost.
-- Key: source_name, provider_name, model, reason.
-- Inputs: the usage without a cost of each day.
with unpriced_days as (
    select * from {{ ref('int_unpriced_days') }}
),

final as (
    select
        source_name,
        provider_name,
        model,
        reason,
        cast(sum(calls) as bigint) as calls,
        cast(sum(total_tokens) as bigint) as total_tokens,
        min(usage_date) as first_seen_date,
        max(usage_date) as last_seen_date
    from unpriced_days
    group by
        source_name,
        provider_name,
        model,
        reason
)

select * from final
