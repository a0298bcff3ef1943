-- Grain: one row per local day and currency in which something cost money.
-- Key: usage_date, currency.
-- Rule: the newest rate of that day or of rate_max_age days before it; else NULL.
{%- set reporting_currency = "'" ~ var('reporting_currency') ~ "'" %}
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

exchange_rates as (
    select * from {{ ref('exchange_rates') }}
),

spent as (
    select distinct
        usage_date,
        currency
    from daily_costs
    where currency is not null
),

ranked as (
    select
        spent.usage_date,
        spent.currency,
        exchange_rates.rate,
        exchange_rates.valid_on,
        exchange_rates.source,
        row_number() over (
            partition by spent.usage_date, spent.currency
            order by exchange_rates.valid_on desc
        ) as recency
    from spent
    left join exchange_rates
        on
            spent.currency = exchange_rates.base_currency
            and spent.usage_date >= exchange_rates.valid_on
            and spent.usage_date
            <= {{ days_after('exchange_rates.valid_on', var('rate_max_age')) }}
),

final as (
    select
        usage_date,
        currency,
        {{ reporting_currency }} as reporting_currency,
        case when currency = {{ reporting_currency }} then 1 else rate end
            as exchange_rate,
        case when currency = {{ reporting_currency }} then usage_date else valid_on end
            as rate_valid_on,
        source as rate_source
    from ranked
    where recency = 1
)

select * from final
