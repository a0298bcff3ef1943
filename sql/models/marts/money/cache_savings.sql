-- Grain: one row per source, local day, model and currency, of calls with a list price.
-- Key: all of these.
-- Inputs: calls, at which prices each was billed, the prices.
-- Rule: a token read from a cache saves what it costs less than other input; one written
-- to it costs more by what its price is above that of other input.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    on_schema_change='sync_all_columns',
) }}

with call_costs as (
    select * from {{ ref('call_costs') }}
),

calls as (
    select * from {{ ref('calls') }}
),

prices as (
    select * from {{ ref('prices') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

listed as (
    select
        *,
        -- A call that writes to a cache by its own word may read it at another price.
        coalesce(explicit_cache_read_price_id, cache_read_price_id) as read_price_id
    from call_costs
    where
        currency = currency_derived
        {% if is_incremental() %}
            and {{ in_touched_days('call_date') }}
        {% endif %}
),

counted as (
    select
        call_costs.source_name,
        call_costs.call_date as usage_date,
        call_costs.model,
        call_costs.currency,
        call_costs.input_price_id,
        call_costs.read_price_id,
        call_costs.cache_creation_price_id,
        cast(
            sum(
                case
                    when calls.cache_read_input_tokens is null then 0
                    else calls.input_tokens
                end
            ) as bigint
        ) as input_tokens,
        cast(sum(coalesce(calls.cache_read_input_tokens, 0)) as bigint)
            as cache_read_input_tokens,
        cast(sum(coalesce(calls.cache_creation_input_tokens, 0)) as bigint)
            as cache_creation_input_tokens
    from listed as call_costs
    inner join calls
        on
            call_costs.call_id = calls.call_id
            and call_costs.call_date = calls.call_date
    group by
        call_costs.source_name,
        call_costs.call_date,
        call_costs.model,
        call_costs.currency,
        call_costs.input_price_id,
        call_costs.read_price_id,
        call_costs.cache_creation_price_id
),

final as (
    select
        counted.source_name,
        counted.usage_date,
        counted.model,
        counted.currency,
        cast(sum(counted.input_tokens) as bigint) as input_tokens,
        cast(sum(counted.cache_read_input_tokens) as bigint) as cache_read_input_tokens,
        cast(sum(counted.cache_creation_input_tokens) as bigint)
            as cache_creation_input_tokens,
        cast(
            sum(
                coalesce(
                    counted.cache_read_input_tokens
                    * (input_prices.price_per_token - read_prices.price_per_token),
                    0
                )
            ) as decimal(38, 12)
        ) as read_saving,
        cast(
            sum(
                coalesce(
                    counted.cache_creation_input_tokens
                    * (creation_prices.price_per_token - input_prices.price_per_token),
                    0
                )
            ) as decimal(38, 12)
        ) as creation_surcharge
    from counted
    left join prices as input_prices on counted.input_price_id = input_prices.price_id
    left join prices as read_prices on counted.read_price_id = read_prices.price_id
    left join prices as creation_prices
        on counted.cache_creation_price_id = creation_prices.price_id
    group by
        counted.source_name,
        counted.usage_date,
        counted.model,
        counted.currency
)

select * from final
