-- Grain: one row per source, local day, model and currency, of calls with a list price.
-- Key: all of these.
-- Rule: a cached token saves what it costs less than other input.
{{ config(schema='intermediate') }}

with call_costs as (
    select * from {{ ref('call_costs') }}
),

calls as (
    select * from {{ ref('calls') }}
),

prices as (
    select * from {{ ref('prices') }}
),

counted as (
    select
        call_costs.source_name,
        call_costs.call_date as usage_date,
        call_costs.model,
        call_costs.currency,
        call_costs.input_price_id,
        call_costs.cache_read_price_id,
        cast(sum(calls.input_tokens) as bigint) as input_tokens,
        cast(sum(coalesce(calls.cache_read_input_tokens, 0)) as bigint) as cached_tokens
    from call_costs
    inner join calls on call_costs.call_id = calls.call_id
    where call_costs.currency = call_costs.currency_derived
    group by
        call_costs.source_name,
        call_costs.call_date,
        call_costs.model,
        call_costs.currency,
        call_costs.input_price_id,
        call_costs.cache_read_price_id
),

final as (
    select
        counted.source_name,
        counted.usage_date,
        counted.model,
        counted.currency,
        cast(sum(counted.input_tokens) as bigint) as input_tokens,
        cast(sum(counted.cached_tokens) as bigint) as cached_tokens,
        cast(
            sum(
                coalesce(
                    counted.cached_tokens
                    * (input_prices.price_per_token - cache_prices.price_per_token),
                    0
                )
            ) as decimal(38, 12)
        ) as saving
    from counted
    left join prices as input_prices on counted.input_price_id = input_prices.price_id
    left join prices as cache_prices
        on counted.cache_read_price_id = cache_prices.price_id
    group by
        counted.source_name,
        counted.usage_date,
        counted.model,
        counted.currency
)

select * from final
