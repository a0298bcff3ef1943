-- Grain: one row per LLM call.
-- Key: call_id.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'call_date'],
    pre_hook="{{ note_unpublished_days() }}",
) }}

with calls as (
    select * from {{ ref('int_calls') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

final as (
    select * from calls
    {% if is_incremental() %}
        where {{ in_touched_days('call_date', 'billed_at') }}
    {% endif %}
)

select * from final
