-- Grain: one row per price of any catalogue, and per price that is not understood, which
-- has no token_kind.
-- Key: price_id.
-- Inputs: your own prices, those of gateways' tenants, the public lists.
with own_prices as (
    select * from {{ ref('own_prices') }}
),

list_prices as (
    select * from {{ ref('list_prices') }}
),

genai_prices as (
    select * from {{ source('public_prices', 'genai_prices') }}
),

tenants as (
    select * from {{ ref('stg_alibaba_model_router__prices') }}
),

price_providers as (
    select * from {{ ref('price_providers') }}
),

unioned as (
    select
        'own' as catalogue,
        1 as precedence,
        null as source_name,
        provider,
        region,
        model_pattern,
        match_kind,
        token_kind,
        reasoning_mode,
        'standard' as service_tier,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        unit_price,
        currency,
        valid_from,
        valid_to,
        coalesce(daily_from, '00:00') as daily_from,
        coalesce(daily_to, '24:00') as daily_to,
        source_url,
        checked_on
    from own_prices
    union all
    select
        'tenant' as catalogue,
        2 as precedence,
        tenants.source_name,
        price_providers.price_provider as provider,
        price_providers.price_region as region,
        tenants.model_pattern,
        'exact' as match_kind,
        tenants.token_kind,
        tenants.reasoning_mode,
        'standard' as service_tier,
        tenants.tier_min_input_tokens,
        tenants.tier_max_input_tokens,
        tenants.unit_size,
        tenants.unit_price,
        tenants.currency,
        tenants.valid_from,
        tenants.valid_to,
        '00:00' as daily_from,
        '24:00' as daily_to,
        null as source_url,
        null as checked_on
    from tenants
    inner join price_providers
        on
            tenants.vendor = price_providers.vendor
            and tenants.provider_name = price_providers.provider_name
    union all
    select
        'list' as catalogue,
        3 as precedence,
        null as source_name,
        provider_name as provider,
        region,
        model_pattern,
        match_kind,
        case
            when service_tier = 'explicit_cache' and token_kind = 'cache_read'
                then 'explicit_cache_read'
            when token_kind = 'cache_write' then 'cache_creation'
            when token_kind = 'embedding' then 'input'
            else token_kind
        end as token_kind,
        reasoning_mode,
        -- Not a tier that a call asks for: it marks what goes into the cache.
        case service_tier when 'explicit_cache' then 'standard' else service_tier end
            as service_tier,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        unit_price,
        currency,
        {{ as_instant('valid_from') }} as valid_from,
        {{ as_instant('valid_to') }} as valid_to,
        '00:00' as daily_from,
        '24:00' as daily_to,
        source_url,
        checked_on
    from list_prices
    union all
    select
        'genai' as catalogue,
        4 as precedence,
        null as source_name,
        provider,
        'global' as region,
        model_pattern,
        match_kind,
        token_kind,
        reasoning_mode,
        'standard' as service_tier,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        unit_price,
        currency,
        valid_from,
        valid_to,
        daily_from,
        daily_to,
        source_url,
        cast(null as date) as checked_on
    from genai_prices
),

final as (
    select
        catalogue || ':' || coalesce(source_name || ':', '') || provider || ':' || region
        || ':' || model_pattern || case match_kind when 'prefix' then '*' else '' end
        || ':' || coalesce(token_kind, '') || ':' || coalesce(reasoning_mode, '')
        || ':' || service_tier || ':' || tier_min_input_tokens
        || ':' || {{ utc_text('valid_from') }}
        || case
            when daily_from = '00:00' and daily_to = '24:00' then ''
            else ':' || daily_from || '-' || daily_to
        end as price_id,
        catalogue,
        precedence,
        source_name,
        provider,
        region,
        model_pattern,
        match_kind,
        token_kind,
        reasoning_mode,
        service_tier,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        cast(unit_price as decimal(38, 12)) as unit_price,
        -- A power of ten: no division, so nothing is lost.
        cast(
            cast(unit_price as decimal(28, 12))
            * case unit_size
                when 1 then cast(1 as decimal(7, 6))
                when 1000 then cast(0.001 as decimal(7, 6))
                when 1000000 then cast(0.000001 as decimal(7, 6))
            end as decimal(38, 18)
        ) as price_per_token,
        currency,
        valid_from,
        valid_to,
        daily_from,
        daily_to,
        source_url,
        checked_on
    from unioned
)

select * from final
