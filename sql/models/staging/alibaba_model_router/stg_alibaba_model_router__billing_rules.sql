-- Grain: one row per billing rule of a tenant and time in which it held as it says.
-- Key: source_name, base_url, rule_id, valid_from.
-- Rule: a changed rule holds from the reading that told of it, since calls were billed at
-- what stood there before.
with rules as (
    select
        *,
        {{ validity(['source_name', 'base_url', 'id']) }}
    from {{ ref('alibaba_model_router_billing_rules') }}
    where nullif(model_code, '') is not null
),

final as (
    select
        source_name,
        base_url,
        id as rule_id,
        model_code,
        billing_type,
        pricing_config,
        currency,
        version,
        effective_time,
        coalesce(delete_tag, 0) <> 0 as is_deleted,
        case
            when valid_from is null or effective_time > valid_from then effective_time
            else valid_from
        end as valid_from,
        case
            when valid_to is null or expire_time < valid_to then expire_time
            else valid_to
        end as valid_to,
        load_id
    from rules
)

select * from final
