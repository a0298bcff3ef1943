-- Grain: one row per currency and day: what one unit of it was in the reporting currency.
-- Key: base_currency, valid_on.
-- Inputs: units per euro, from your seed and from the European Central Bank's files.
-- Rule: both are rates of the euro, so that a rate between two others is their quotient.
with reference_rates as (
    select * from {{ ref('reference_rates') }}
),

ecb as (
    select * from {{ source('exchange_rate_files', 'ecb') }}
),

unioned as (
    select
        currency,
        valid_on,
        units_per_euro,
        'seed' as source,
        1 as precedence
    from reference_rates
    union all
    select
        currency,
        valid_on,
        units_per_euro,
        'ecb_file' as source,
        2 as precedence
    from ecb
),

ranked as (
    select
        *,
        row_number() over (
            partition by currency, valid_on order by precedence
        ) as preference
    from unioned
),

euro_rates as (
    select
        currency,
        valid_on,
        units_per_euro,
        source
    from ranked
    where preference = 1
    union all
    select distinct
        'EUR' as currency,
        valid_on,
        cast(1 as decimal(18, 8)) as units_per_euro,
        cast(null as string) as source
    from ranked
),

final as (
    select
        base.currency as base_currency,
        quote.currency as quote_currency,
        base.valid_on,
        {{
            proportion(
                'quote.units_per_euro',
                100000000,
                'cast(base.units_per_euro as decimal(38, 8)) * 100000000',
                places=15
            )
        }} as rate,
        -- A quotient of two origins is one of the seed's.
        greatest(
            coalesce(base.source, quote.source),
            coalesce(quote.source, base.source)
        ) as source
    from euro_rates as base
    inner join euro_rates as quote on base.valid_on = quote.valid_on
    where
        quote.currency = '{{ var("reporting_currency") }}'
        and base.currency <> quote.currency
)

select * from final
