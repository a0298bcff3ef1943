-- Grain: one row per LLM call, of all vendors.
-- Key: call_id.
-- Inputs: the calls of each vendor's staging, see macros/vendors.sql.
-- Rule: a number that cannot be summed is NULL here, and in `rejected` as sent.
with staged as (
    {{ admitted_union_of(staged('calls'), call_columns()) }}
),

final as (
    {{ or_as_published(
        'staged', 'calls', 'billed_at', admitted_columns(call_columns())
    ) }}
)

select * from final
