-- Grain: one row per model, and time in which it had a billing rule or had none.
-- Key: source_name, base_url, model_id, valid_from.
with models as (
    select
        *,
        {{ validity(['source_name', 'base_url', 'id']) }}
    from {{ ref('alibaba_model_router_models') }}
),

final as (
    select
        source_name,
        base_url,
        id as model_id,
        has_billing_rule,
        valid_from,
        valid_to,
        load_id
    from models
)

select * from final
