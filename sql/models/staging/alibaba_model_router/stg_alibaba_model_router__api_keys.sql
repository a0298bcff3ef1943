-- Grain: one row per API key that the tenant has or had.
-- Key: source_name, base_url, api_key_id.
-- Inputs: the present keys, and the billing lines for those that are gone.
-- Rule: the present name wins, then the latest that was billed.
with api_keys as (
    select * from {{ source('alibaba_model_router', 'api_keys') }}
),

billing_details as (
    select * from {{ source('alibaba_model_router', 'billing_details') }}
),

named as (
    select
        source_name,
        base_url,
        id as api_key_id,
        nullif(name, '') as api_key_name,
        cast(null as timestamptz) as named_at
    from api_keys
    union all
    select
        source_name,
        base_url,
        api_key_id,
        nullif(api_key_name, '') as api_key_name,
        max(request_time) as named_at
    from billing_details
    group by source_name, base_url, api_key_id, nullif(api_key_name, '')
),

ranked as (
    select
        *,
        row_number() over (
            partition by source_name, base_url, api_key_id
            order by named_at desc nulls first, api_key_name asc
        ) as preference
    from named
    where api_key_name is not null
),

final as (
    select
        source_name,
        base_url,
        api_key_id,
        api_key_name
    from ranked
    where preference = 1
)

select * from final
