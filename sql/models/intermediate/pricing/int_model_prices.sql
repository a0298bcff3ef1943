-- Grain: one row per model called, per time, hours and tier in which its prices stay.
-- Key: source_name, provider, region, model, valid_from, from_minute, tier.
-- Inputs: the names under which models are listed, the price sheets of their provider.
-- Rule: the lowest precedence wins, then exact before prefix, then the longest prefix.
{{ config(materialized='table') }}

with model_names as (
    select * from {{ ref('int_model_names') }}
),

price_sheets as (
    select * from {{ ref('int_price_sheets') }}
),

models as (
    select distinct
        source_name,
        price_provider as provider,
        price_region as region,
        model,
        listed_name
    from model_names
    where listed_name is not null
),

candidates as (
    select
        models.source_name,
        models.model,
        price_sheets.*
    from models
    inner join price_sheets
        on
            models.provider = price_sheets.provider
            and models.region = price_sheets.region
            and price_sheets.tenant in ('', models.source_name)
            and {{ is_listed_as('models.listed_name', 'price_sheets') }}
),

instants as (
    select
        source_name,
        provider,
        region,
        model,
        valid_from as instant
    from candidates
    union distinct
    select
        source_name,
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
        lead(instant) over (
            partition by source_name, provider, region, model order by instant
        ) as next_instant
    from instants
),

hour_starts as (
    select
        source_name,
        provider,
        region,
        model,
        from_minute
    from candidates
    union distinct
    select
        source_name,
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
            partition by source_name, provider, region, model order by from_minute
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
                periods.source_name,
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
            periods.source_name = hours.source_name
            and periods.provider = hours.provider
            and periods.region = hours.region
            and periods.model = hours.model
    inner join candidates
        on
            periods.source_name = candidates.source_name
            and periods.provider = candidates.provider
            and periods.region = candidates.region
            and periods.model = candidates.model
            and periods.instant >= candidates.valid_from
            and (candidates.valid_to is null or periods.instant < candidates.valid_to)
            and hours.from_minute >= candidates.from_minute
            and hours.from_minute < candidates.to_minute
),

final as (
    select
        source_name,
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
        is_understood,
        {{ price_columns() }}
    from ranked
    where preference = 1
)

select * from final
