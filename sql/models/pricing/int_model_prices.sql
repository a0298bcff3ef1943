-- Grain: one row per model called, per time, hours and tier in which its prices stay.
-- Key: provider, region, model, valid_from, from_minute, tier_min_input_tokens.
-- Inputs: the names under which models are listed, the price sheets of their provider.
-- Rule: own beats list beats genai; then exact beats prefix, and the longest prefix wins.
{{ config(materialized='table', schema='intermediate') }}

with model_names as (
    select * from {{ ref('int_model_names') }}
),

price_sheets as (
    select * from {{ ref('int_price_sheets') }}
),

models as (
    select distinct
        price_provider as provider,
        price_region as region,
        model,
        listed_name
    from model_names
    where listed_name is not null
),

candidates as (
    select
        models.model,
        price_sheets.*
    from models
    inner join price_sheets
        on
            models.provider = price_sheets.provider
            and models.region = price_sheets.region
            and {{ is_listed_as('models.listed_name', 'price_sheets') }}
),

instants as (
    select
        provider,
        region,
        model,
        valid_from as instant
    from candidates
    union distinct
    select
        provider,
        region,
        model,
        valid_to as instant
    from candidates
    where valid_to is not null
),

periods as (
    select
        *,
        lead(instant) over (partition by provider, region, model order by instant)
            as next_instant
    from instants
),

hour_starts as (
    select
        provider,
        region,
        model,
        from_minute
    from candidates
    union distinct
    select
        provider,
        region,
        model,
        to_minute as from_minute
    from candidates
    where to_minute < 1440
),

hours as (
    select
        *,
        lead(from_minute, 1, 1440) over (
            partition by provider, region, model order by from_minute
        ) as to_minute
    from hour_starts
),

ranked as (
    select
        periods.instant,
        periods.next_instant,
        hours.from_minute as first_minute,
        hours.to_minute as next_minute,
        candidates.*,
        rank() over (
            partition by
                periods.provider,
                periods.region,
                periods.model,
                periods.instant,
                hours.from_minute
            order by
                candidates.precedence,
                candidates.match_kind,
                length(candidates.pattern) desc
        ) as preference
    from periods
    inner join hours
        on
            periods.provider = hours.provider
            and periods.region = hours.region
            and periods.model = hours.model
    inner join candidates
        on
            periods.provider = candidates.provider
            and periods.region = candidates.region
            and periods.model = candidates.model
            and periods.instant >= candidates.valid_from
            and (candidates.valid_to is null or periods.instant < candidates.valid_to)
            and hours.from_minute >= candidates.from_minute
            and hours.from_minute < candidates.to_minute
),

final as (
    select
        provider,
        region,
        model,
        catalogue,
        match_kind,
        pattern,
        instant as valid_from,
        next_instant as valid_to,
        first_minute as from_minute,
        next_minute as to_minute,
        tier_min_input_tokens,
        tier_max_input_tokens,
        currency,
        {{ price_columns() }}
    from ranked
    where preference = 1
)

select * from final
