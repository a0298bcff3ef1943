-- Grain: one row per log row or billing line whose API key is known, or its model.
-- Key: none.
-- Rule: load_id is the load that told the key's name or the model's rule.
{%- set by_key = {'base_url': 'base_url', 'api_key_id': 'api_key_id'} %}
{%- set by_model = {'base_url': 'base_url', 'model_id': 'model_id'} %}

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
    {{ uses_of('api_keys', 'logs', by_key, 'request_time') }}
    union all
    {{ uses_of('api_keys', 'billing_details', by_key, 'request_time') }}
    union all
    {{ uses_of('models', 'billing_details', by_model, 'request_time') }}
)

select * from final
