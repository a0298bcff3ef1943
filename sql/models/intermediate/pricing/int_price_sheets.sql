-- Grain: one row per pattern of a catalogue, per time, hours and tier without a change.
-- Key: catalogue, tenant, provider, region, pattern, match_kind, valid_from,
-- from_minute, tier.
-- Rule: each token kind becomes a column; tenant is the source whose calls alone it
-- prices, or empty.
{{ config(materialized='table') }}

with all_prices as (
    select * from {{ ref('int_prices') }}
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
        lower(model_pattern) as pattern,
        coalesce(source_name, '') as tenant,
        {{ minutes_of('daily_from') }} as from_minute,
        {{ minutes_of('daily_to') }} as to_minute
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
        tenant,
        provider,
        region,
        match_kind,
        pattern,
        valid_from as instant
    from prices
    union distinct
    select
        catalogue,
        tenant,
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
            partition by catalogue, tenant, provider, region, match_kind, pattern
            order by instant
        ) as next_instant
    from instants
),

hour_starts as (
    select
        catalogue,
        tenant,
        provider,
        region,
        match_kind,
        pattern,
        from_minute
    from prices
    union distinct
    select
        catalogue,
        tenant,
        provider,
        region,
        match_kind,
        pattern,
        to_minute as from_minute
    from prices
    where to_minute < 1440
),

hours as (
    select
        *,
        lead(from_minute, 1, 1440) over (
            partition by catalogue, tenant, provider, region, match_kind, pattern
            order by from_minute
        ) as to_minute
    from hour_starts
),

covered as (
    select distinct
        periods.catalogue,
        periods.tenant,
        periods.provider,
        periods.region,
        periods.match_kind,
        periods.pattern,
        periods.instant,
        periods.next_instant,
        hours.from_minute,
        hours.to_minute,
        prices.tier_min_input_tokens,
        prices.tier_max_input_tokens
    from periods
    inner join hours
        on
            periods.catalogue = hours.catalogue
            and periods.tenant = hours.tenant
            and periods.provider = hours.provider
            and periods.region = hours.region
            and periods.match_kind = hours.match_kind
            and periods.pattern = hours.pattern
    inner join prices
        on
            periods.catalogue = prices.catalogue
            and periods.tenant = prices.tenant
            and periods.provider = prices.provider
            and periods.region = prices.region
            and periods.match_kind = prices.match_kind
            and periods.pattern = prices.pattern
            and periods.instant >= prices.valid_from
            and (prices.valid_to is null or periods.instant < prices.valid_to)
            and hours.from_minute >= prices.from_minute
            and hours.from_minute < prices.to_minute
),

-- Beyond the end of a tier another begins, or none.
tier_starts as (
    select
        catalogue,
        tenant,
        provider,
        region,
        match_kind,
        pattern,
        instant,
        next_instant,
        from_minute,
        to_minute,
        tier_min_input_tokens
    from covered
    union distinct
    select
        catalogue,
        tenant,
        provider,
        region,
        match_kind,
        pattern,
        instant,
        next_instant,
        from_minute,
        to_minute,
        tier_max_input_tokens as tier_min_input_tokens
    from covered
    where tier_max_input_tokens is not null
),

tiers as (
    select
        *,
        lead(tier_min_input_tokens) over (
            partition by
                catalogue,
                tenant,
                provider,
                region,
                match_kind,
                pattern,
                instant,
                from_minute
            order by tier_min_input_tokens
        ) as tier_max_input_tokens
    from tier_starts
),

final as (
    select
        tiers.catalogue,
        tiers.tenant,
        min(prices.precedence) as precedence,
        tiers.provider,
        tiers.region,
        tiers.match_kind,
        tiers.pattern,
        tiers.instant as valid_from,
        tiers.next_instant as valid_to,
        tiers.from_minute,
        tiers.to_minute,
        tiers.tier_min_input_tokens,
        tiers.tier_max_input_tokens,
        min(prices.currency) as currency,
        -- A price of a tenant that is not understood has no kind.
        count(prices.token_kind) = count(*) as is_understood,
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
            and tiers.tenant = prices.tenant
            and tiers.provider = prices.provider
            and tiers.region = prices.region
            and tiers.match_kind = prices.match_kind
            and tiers.pattern = prices.pattern
            and tiers.instant >= prices.valid_from
            and (prices.valid_to is null or tiers.instant < prices.valid_to)
            and tiers.from_minute >= prices.from_minute
            and tiers.from_minute < prices.to_minute
            and tiers.tier_min_input_tokens >= prices.tier_min_input_tokens
            and (
                prices.tier_max_input_tokens is null
                or tiers.tier_min_input_tokens < prices.tier_max_input_tokens
            )
    group by
        tiers.catalogue,
        tiers.tenant,
        tiers.provider,
        tiers.region,
        tiers.match_kind,
        tiers.pattern,
        tiers.instant,
        tiers.next_instant,
        tiers.from_minute,
        tiers.to_minute,
        tiers.tier_min_input_tokens,
        tiers.tier_max_input_tokens
)

select * from final
