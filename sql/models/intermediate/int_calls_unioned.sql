-- Grain: one row per LLM call, of all vendors.
-- Key: call_id.
-- Inputs: the calls of each vendor's staging, one line each.
-- Rule: a number that cannot be summed is NULL here, and in `rejected` as sent.
with staged as (
    {{ admitted_union_of([
        ref('stg_aiproxy__calls'),
        ref('stg_alibaba_model_router__calls'),
        ref('stg_tencent_lke__calls'),
        ref('stg_weave__calls'),
    ], call_columns()) }}
),

final as (
    {{ or_as_published('staged', 'calls', 'billed_at') }}
)

select * from final
