-- Grain: one row per local day, source, provider, account, app, API key, model, currency,
-- basis of the cost, and way in which that is told apart by token kind.
-- Key: none; a call whose counts contradict each other has a row of its own.
-- Inputs: usage, that is calls and buckets.
-- Rule: the marts of days are sums of these rows: calls are joined with their costs once.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
) }}

{%- set row_columns = cost_row_columns() + ['division', 'price_ids_key'] %}

with usage as (
    select * from {{ ref('int_usage') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

touched as (
    select * from usage
    {% if is_incremental() %}
        where {{ in_touched_days('usage_date') }}
    {% endif %}
),

{{ divided('touched', 'is_priced') }},

final as (
    select
        {{ row_columns | join(', ') }},
        cast(sum(calls) as bigint) as calls,
        cast(sum(errors) as bigint) as errors,
        {{ summed_counts() }},
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
        {{ summed_reported_costs() }},
        cast(sum(cost) as decimal(38, 12)) as cost,
        -- Money that a vendor laid to no call, or to none with tokens, makes none dearer.
        cast(sum(case when calls > 0 then cost end) as decimal(38, 12)) as cost_of_calls,
        cast(sum(case when total_tokens > 0 then cost end) as decimal(38, 12))
            as cost_of_tokens
    from divided
    group by
        {{ row_columns | join(', ') }},
        {{ metered_alike('usage_id') }}
)

select * from final
