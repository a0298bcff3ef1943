-- Grain: one row per local day, source, provider, account, app, API key and model.
-- Key: all of these; one that is not known is NULL.
-- Rule: sum over sources only where counts_in_totals, or use daily_totals.
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
        cast(sum(calls) as bigint) as calls,
        cast(sum(errors) as bigint) as errors,
        {{ sum_tokens() }},
        cast(sum(calls_without_tokens) as bigint) as calls_without_tokens,
        cast(sum(cache_known_input_tokens) as bigint) as cache_known_input_tokens,
        cast(sum(reasoning_known_output_tokens) as bigint)
            as reasoning_known_output_tokens,
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
        counts_in_totals
)

select * from final
