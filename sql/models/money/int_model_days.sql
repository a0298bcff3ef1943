-- Grain: one row per source, local day, model and currency in which it cost money.
-- Key: all of these.
-- Inputs: daily costs; of calls with a list price, what their cached tokens saved.
-- Rule: input_tokens, cached_tokens and saving are NULL where no call has a list price.
{{ config(schema='intermediate') }}

with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

cache_savings as (
    select * from {{ ref('cache_savings') }}
),

sums as (
    select
        source_name,
        usage_date,
        model,
        currency,
        cast(sum(cost) as decimal(38, 12)) as cost,
        cast(sum(calls) as bigint) as calls,
        cast(coalesce(sum(priced_tokens), 0) as bigint) as tokens
    from daily_costs
    where currency is not null
    group by
        source_name,
        usage_date,
        model,
        currency
),

final as (
    select
        sums.source_name,
        sums.usage_date,
        sums.model,
        sums.currency,
        sums.cost,
        sums.calls,
        sums.tokens,
        cache_savings.input_tokens,
        cache_savings.cache_read_input_tokens as cached_tokens,
        cache_savings.read_saving as saving
    from sums
    left join cache_savings
        on
            sums.source_name = cache_savings.source_name
            and sums.usage_date = cache_savings.usage_date
            and sums.model is not distinct from cache_savings.model
            and sums.currency = cache_savings.currency
)

select * from final
