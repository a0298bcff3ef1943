-- Grain: one row per pattern of a catalogue, per time and tier in which nothing changes.
-- Key: catalogue, provider, region, model_pattern, match_kind, valid_from, tier.
-- Inputs: the prices that can price a call.
-- Rule: each token kind becomes a column.
{{ config(materialized='table', schema='intermediate') }}

with all_prices as (
    select * from {{ ref('prices') }}
),

sellers as (
    select
        price_provider,
        price_region
    from {{ ref('price_providers') }}
    union distinct
    select
        price_provider,
        price_region
    from {{ ref('model_name_prefixes') }}
    where price_region is not null
),

prices as (
    select
        *,
        lower(model_pattern) as pattern
    from all_prices
    where
        service_tier = 'standard'
        and (provider, region) in (
            select
                sellers.price_provider,
                sellers.price_region
            from sellers
        )
),

instants as (
    select
        catalogue,
        provider,
        region,
        match_kind,
        pattern,
        valid_from as instant
    from prices
    union distinct
    select
        catalogue,
        provider,
        region,
        match_kind,
        pattern,
        valid_to as instant
    from prices
    where valid_to is not null
),

periods as (
    select
        *,
        lead(instant) over (
            partition by catalogue, provider, region, match_kind, pattern
            order by instant
        ) as next_instant
    from instants
),

tier_starts as (
    select distinct
        periods.catalogue,
        periods.provider,
        periods.region,
        periods.match_kind,
        periods.pattern,
        periods.instant,
        periods.next_instant,
        prices.tier_min_input_tokens
    from periods
    inner join prices
        on
            periods.catalogue = prices.catalogue
            and periods.provider = prices.provider
            and periods.region = prices.region
            and periods.match_kind = prices.match_kind
            and periods.pattern = prices.pattern
            and periods.instant >= prices.valid_from
            and (prices.valid_to is null or periods.instant < prices.valid_to)
),

tiers as (
    select
        *,
        lead(tier_min_input_tokens) over (
            partition by catalogue, provider, region, match_kind, pattern, instant
            order by tier_min_input_tokens
        ) as tier_max_input_tokens
    from tier_starts
),

final as (
    select
        tiers.catalogue,
        min(prices.precedence) as precedence,
        tiers.provider,
        tiers.region,
        tiers.match_kind,
        tiers.pattern,
        tiers.instant as valid_from,
        tiers.next_instant as valid_to,
        tiers.tier_min_input_tokens,
        tiers.tier_max_input_tokens,
        min(prices.currency) as currency,
        max(
            case
                when prices.token_kind = 'reasoning_output' then prices.reasoning_mode
            end
        ) as reasoning_mode,
        {{ pivoted_prices('prices') }}
    from tiers
    inner join prices
        on
            tiers.catalogue = prices.catalogue
            and tiers.provider = prices.provider
            and tiers.region = prices.region
            and tiers.match_kind = prices.match_kind
            and tiers.pattern = prices.pattern
            and tiers.instant >= prices.valid_from
            and (prices.valid_to is null or tiers.instant < prices.valid_to)
            and tiers.tier_min_input_tokens >= prices.tier_min_input_tokens
            and (
                prices.tier_max_input_tokens is null
                or tiers.tier_min_input_tokens < prices.tier_max_input_tokens
            )
    group by
        tiers.catalogue,
        tiers.provider,
        tiers.region,
        tiers.match_kind,
        tiers.pattern,
        tiers.instant,
        tiers.next_instant,
        tiers.tier_min_input_tokens,
        tiers.tier_max_input_tokens
)

select * from final
