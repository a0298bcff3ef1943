-- Grain: one row per API key of a tenant and time in which its name stayed.
-- Key: source_name, base_url, api_key_id, valid_from.
-- Inputs: the keys as they were listed, and the billing lines for those that never were.
-- Rule: what a billing line says holds for its local day.
with api_keys as (
    select
        *,
        {{ validity(['source_name', 'base_url', 'id']) }}
    from {{ ref('alibaba_model_router_api_keys') }}
    where nullif(name, '') is not null
),

billing_details as (
    select
        *,
        {{ local_date('request_time') }} as usage_date
    from {{ source('alibaba_model_router', 'billing_details') }} as billing_details
    where
        nullif(api_key_name, '') is not null
        and not exists (
            select 1
            from api_keys
            where
                api_keys.source_name = billing_details.source_name
                and api_keys.base_url = billing_details.base_url
                and api_keys.id = billing_details.api_key_id
        )
),

billed as (
    select
        *,
        row_number() over (
            partition by source_name, base_url, api_key_id, usage_date
            order by request_time desc, api_key_name asc
        ) as place
    from billing_details
),

final as (
    select
        source_name,
        base_url,
        id as api_key_id,
        name as api_key_name,
        valid_from,
        valid_to,
        load_id
    from api_keys
    union all
    select
        source_name,
        base_url,
        api_key_id,
        api_key_name,
        {{ day_start('usage_date') }} as valid_from,
        {{ day_start(days_after('usage_date', 1)) }} as valid_to,
        null as load_id
    from billed
    where place = 1
)

select * from final
