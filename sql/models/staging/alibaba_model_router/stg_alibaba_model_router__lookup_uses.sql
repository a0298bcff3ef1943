-- Grain: one row per log row or billing line whose API key, model or price is known.
-- Key: none.
-- Rule: load_id is the load that told the key's name, the model's rule or its prices.
{%- set by_key = {'base_url': 'base_url', 'api_key_id': 'api_key_id'} %}
{%- set by_code = {'base_url': 'base_url', 'model_code': 'model_code'} %}
{%- set by_model = {'base_url': 'base_url', 'model_id': 'model_id'} %}

with api_keys as (
    select * from {{ ref('stg_alibaba_model_router__api_keys') }}
),

models as (
    select * from {{ ref('stg_alibaba_model_router__models') }}
),

-- A rule that begins or ends also changes from when on another holds; and from the first
-- rule of a model on, all of its calls are of a model that has a price at some time.
billing_rules as (
    select
        source_name,
        base_url,
        model_code,
        case
            when
                load_id
                > min(load_id) over (partition by source_name, base_url, model_code)
                then valid_from
        end as valid_from,
        {{ as_instant('null') }} as valid_to,
        load_id
    from {{ ref('stg_alibaba_model_router__billing_rules') }}
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
    union all
    {{ uses_of('billing_rules', 'logs', by_code, 'request_time') }}
)

select * from final
