-- Grain: one row per LLM call, of all vendors.
-- Key: call_id.
-- Rule: a day is local, of the instant that the vendor bills and filters by.
with calls as (
    select * from {{ ref('int_calls_unioned') }}
),

final as (
    select
        *,
        {{ local_date('billed_at') }} as call_date,
        coalesce(response_model, request_model) as model
    from calls
)

select * from final
