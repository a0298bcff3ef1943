-- Grain: one row per pair, side, source, scope, bucket of time, model and measure.
-- Key: all of these.
-- Inputs: the two sides of each vendor's figures, one line each.
-- Rule: not of a source that is held, whose vendor's rows are newer than what is built.
with checked_totals as (
    {{ union_of([
        ref('stg_aiproxy__checked_totals'),
        ref('stg_alibaba_model_router__checked_totals'),
        ref('stg_tencent_lke__checked_totals'),
        ref('stg_weave__checked_totals'),
    ], checked_total_columns()) }}
),

final as (
    select * from checked_totals
    where not ({{ is_held() }})
)

select * from final
