-- Grain: one row per log row or billing line whose API key is known, or its model.
-- Key: none.
-- Rule: load_id is the load that told the key's name or the model's rule.
with api_keys as (
    select * from {{ ref('stg_alibaba_model_router__api_keys') }}
),

models as (
    select * from {{ ref('stg_alibaba_model_router__models') }}
),

logs as (
    select * from {{ source('alibaba_model_router', 'observation_logs') }}
),

billing_details as (
    select * from {{ source('alibaba_model_router', 'billing_details') }}
),

final as (
    select
        logs.source_name,
        logs.request_time as billed_at,
        api_keys.load_id
    from api_keys
    inner join logs
        on
            api_keys.source_name = logs.source_name
            and api_keys.base_url = logs.base_url
            and api_keys.api_key_id = logs.api_key_id
            and {{ held_at('api_keys', 'logs.request_time') }}
    union all
    select
        billing_details.source_name,
        billing_details.request_time as billed_at,
        api_keys.load_id
    from api_keys
    inner join billing_details
        on
            api_keys.source_name = billing_details.source_name
            and api_keys.base_url = billing_details.base_url
            and api_keys.api_key_id = billing_details.api_key_id
            and {{ held_at('api_keys', 'billing_details.request_time') }}
    union all
    select
        billing_details.source_name,
        billing_details.request_time as billed_at,
        models.load_id
    from models
    inner join billing_details
        on
            models.source_name = billing_details.source_name
            and models.base_url = billing_details.base_url
            and models.model_id = billing_details.model_id
            and {{ held_at('models', 'billing_details.request_time') }}
)

select * from final
