-- Grain: one row per price: of a token kind of a model, in a tier, for a time and hours.
-- Key: price_id.
-- Inputs: your own prices, the sourced public list, the list that genai-prices packages.
-- Rule: precedence 1 wins; only rows of service tier standard price calls.
{{ config(materialized='table') }}

with own_prices as (
    select * from {{ ref('own_prices') }}
),

list_prices as (
    select * from {{ ref('list_prices') }}
),

genai_prices as (
    select * from {{ source('public_prices', 'genai_prices') }}
),

unioned as (
    select
        'own' as catalogue,
        1 as precedence,
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
        'list' as catalogue,
        2 as precedence,
        provider_name as provider,
        region,
        model_pattern,
        match_kind,
        case token_kind
            when 'cache_write' then 'cache_creation'
            when 'embedding' then 'input'
            else token_kind
        end as token_kind,
        reasoning_mode,
        service_tier,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        unit_price,
        currency,
        cast(valid_from as timestamptz) as valid_from,
        cast(valid_to as timestamptz) as valid_to,
        '00:00' as daily_from,
        '24:00' as daily_to,
        source_url,
        checked_on
    from list_prices
    union all
    select
        'genai' as catalogue,
        3 as precedence,
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
        catalogue || ':' || provider || ':' || region || ':' || model_pattern
        || case match_kind when 'prefix' then '*' else '' end || ':' || token_kind
        || ':' || coalesce(reasoning_mode, '') || ':' || service_tier || ':'
        || tier_min_input_tokens || ':' || {{ utc_text('valid_from') }}
        || case
            when daily_from = '00:00' and daily_to = '24:00' then ''
            else ':' || daily_from || '-' || daily_to
        end as price_id,
        catalogue,
        precedence,
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
