-- Grain: one row per local day, model and currency; unpriced usage has currency NULL.
-- Key: usage_date, model, currency.
-- Rule: the one place where sources are summed, and only those that count in totals.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['usage_date'],
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
        model,
        currency,
        cast(sum(cost) as decimal(38, 12)) as cost,
        cast(sum(calls) as bigint) as calls,
        cast(sum(errors) as bigint) as errors,
        {{ sum_tokens() }}
    from daily_usage
    where
        counts_in_totals
        {% if is_incremental() %}
            and usage_date in (select touched_days.usage_date from touched_days)
            and {{ near_touched_days('usage_date') }}
        {% endif %}
    group by
        usage_date,
        model,
        currency
)

select * from final
