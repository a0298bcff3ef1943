-- Grain: one row per model as calls name it, of a source and provider.
-- Key: source_name, provider_name, model.
-- Inputs: the models of all calls, what prefixes mean, the names in the price sheets.
-- Rule: a name is looked for at its provider alone: as sent, without prefixes, with its
-- date in another spelling, and only last without it.
{{ config(materialized='table') }}

with called as (
    select distinct
        source_name,
        vendor,
        provider_name,
        model
    from {{ ref('calls') }}
    where model is not null
),

price_providers as (
    select * from {{ ref('price_providers') }}
),

prefixes as (
    select * from {{ ref('model_name_prefixes') }}
),

price_sheets as (
    select distinct
        tenant,
        provider,
        region,
        match_kind,
        pattern
    from {{ ref('int_price_sheets') }}
),

models as (
    select distinct
        called.source_name,
        called.vendor,
        called.provider_name,
        called.model,
        price_providers.price_provider,
        price_providers.price_region,
        -- A gateway that does not know who ran the model names itself.
        price_providers.price_provider is not null
        and called.provider_name <> called.vendor as is_provider_known
    from called
    left join price_providers
        on
            called.vendor = price_providers.vendor
            and called.provider_name = price_providers.provider_name
),

prefixed as (
    select
        models.source_name,
        models.vendor,
        models.provider_name,
        models.model,
        prefixes.price_provider,
        prefixes.price_region,
        row_number() over (
            partition by models.source_name, models.provider_name, models.model
            order by length(prefixes.prefix) desc
        ) as preference
    from models
    inner join prefixes on {{ begins_with('lower(models.model)', 'prefixes.prefix') }}
    where not models.is_provider_known
),

placed as (
    select
        source_name,
        vendor,
        provider_name,
        model,
        price_provider,
        price_region,
        0 as place
    from models
    union all
    select
        source_name,
        vendor,
        provider_name,
        model,
        price_provider,
        price_region,
        1 as place
    from prefixed
    where
        preference = 1
        and price_region is not null
),

cut_0 as (
    select distinct
        source_name,
        price_provider,
        price_region,
        model,
        lower(model) as name,
        0 as cuts
    from placed
    where price_provider is not null
),

-- Prefixes stand before each other, as in `openrouter/anthropic/claude-sonnet-4`.
cut_1 as (
    {{ without_prefix('cut_0') }}
),

cut_2 as (
    {{ without_prefix('cut_1') }}
),

cut_3 as (
    {{ without_prefix('cut_2') }}
),

cut as (
    select * from cut_0
    union all
    select * from cut_1
    union all
    select * from cut_2
    union all
    select * from cut_3
),

spelled as (
    {{ spellings_of('cut') }}
),

found as (
    select
        spelled.*,
        row_number() over (
            partition by
                spelled.source_name,
                spelled.price_provider,
                spelled.price_region,
                spelled.model
            order by spelled.spelling, spelled.cuts
        ) as preference
    from spelled
    where
        exists (
            select 1
            from price_sheets
            where
                price_sheets.provider = spelled.price_provider
                and price_sheets.region = spelled.price_region
                and price_sheets.tenant in ('', spelled.source_name)
                and {{ is_listed_as('spelled.name', 'price_sheets') }}
        )
),

ranked as (
    select
        placed.*,
        found.name as listed_name,
        row_number() over (
            partition by placed.source_name, placed.provider_name, placed.model
            -- Where it is listed; else where the calls say, or their prefix.
            order by
                case when found.name is null then 1 else 0 end,
                case when placed.price_provider is null then 1 else 0 end,
                placed.place
        ) as preference
    from placed
    left join found
        on
            placed.source_name = found.source_name
            and placed.price_provider = found.price_provider
            and placed.price_region = found.price_region
            and placed.model = found.model
            and found.preference = 1
),

final as (
    select
        source_name,
        vendor,
        provider_name,
        model,
        price_provider,
        price_region,
        listed_name
    from ranked
    where preference = 1
)

select * from final
