-- Grain: one row per local day, source, provider, account, app, API key and model.
-- Key: all of these; one that is not known is NULL.
-- Rule: sum over sources only where counts_in_totals, or use daily_totals.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
) }}

with usage as (
    select * from {{ ref('int_usage') }}
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
        cast(sum(case when total_tokens is null then calls else 0 end) as bigint)
            as calls_without_tokens,
        -- What a share is of: a call that does not say its part is in neither sum.
        cast(
            sum(case when cache_read_input_tokens is not null then input_tokens end)
            as bigint
        ) as cache_known_input_tokens,
        cast(
            sum(case when reasoning_output_tokens is not null then output_tokens end)
            as bigint
        ) as reasoning_known_output_tokens,
        counts_in_totals
    from usage
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
