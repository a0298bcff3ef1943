-- Grain: one row per row of daily_tokens, currency and basis of the cost.
-- Key: all of these; one that is not known is NULL.
-- Rule: a row is priced or it is not: cost and currency are NULL where basis is unpriced.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
) }}

with daily_usage as (
    select * from {{ ref('int_daily_usage') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

final as (
    select
        usage_date,
        source_name,
        provider_name,
        account_id,
        app_name,
        api_key_name,
        model,
        currency,
        cast(sum(cost) as decimal(38, 12)) as cost,
        cast(sum(cost_of_calls) as decimal(38, 12)) as cost_of_calls,
        cast(sum(cost_of_tokens) as decimal(38, 12)) as cost_of_tokens,
        cost_basis,
        cast(
            sum(case when cost_basis = 'unpriced' then 0 else total_tokens end) as bigint
        ) as priced_tokens,
        cast(
            sum(case when cost_basis = 'unpriced' then total_tokens else 0 end) as bigint
        ) as unpriced_tokens,
        cast(sum(calls) as bigint) as calls,
        counts_in_totals
    from daily_usage
    {% if is_incremental() %}
        where {{ in_touched_days('usage_date') }}
    {% endif %}
    group by
        usage_date,
        source_name,
        provider_name,
        account_id,
        app_name,
        api_key_name,
        model,
        currency,
        cost_basis,
        counts_in_totals
)

select * from final
