-- Grain: one row per source, local day, model, currency and reason.
-- Key: all of these.
-- Inputs: the calls whose vendor says what they cost.
-- Rule: variance is derived less reported; NULL where the two cannot be compared.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    on_schema_change='sync_all_columns',
) }}

with call_costs as (
    select * from {{ ref('call_costs') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

final as (
    select
        source_name,
        call_date as usage_date,
        model,
        currency_reported as currency,
        variance_reason as reason,
        count(*) as calls,
        cast(sum(cost_reported) as decimal(38, 12)) as cost_reported,
        cast(
            sum(case when cost_variance is not null then cost_derived end)
            as decimal(38, 12)
        ) as cost_derived,
        cast(sum(cost_variance) as decimal(38, 12)) as cost_variance
    from call_costs
    where
        variance_reason is not null
        {% if is_incremental() %}
            and {{ in_touched_days('call_date') }}
        {% endif %}
    group by
        source_name,
        call_date,
        model,
        currency_reported,
        variance_reason
)

select * from final
