-- Grain: one row per source, local day, model and currency in which it cost money.
-- Key: all of these.
-- Inputs: daily costs; the same by kind of token; what caching saved.
-- Rule: what was charged is NULL where nothing tells the kinds of tokens apart;
-- input_tokens, cached_tokens and saving are where no call has a list price.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

daily_charges as (
    select * from {{ ref('daily_charges') }}
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

kinds as (
    select
        source_name,
        usage_date,
        model,
        currency,
        {{ sum_of_kinds('quantity', input_kinds()) }} as charged_input,
        {{ sum_of_kinds('quantity', output_kinds()) }} as charged_output,
        -- What was not cached, and is text: the rest of a price list follows from these.
        {{ sum_of_kinds('quantity', ['input']) }} as plain_input,
        {{ sum_of_kinds('cost', ['input']) }} as plain_input_cost,
        {{ sum_of_kinds('quantity', plain_output_kinds()) }} as plain_output,
        {{ sum_of_kinds('cost', plain_output_kinds()) }} as plain_output_cost
    from daily_charges
    where
        currency is not null
        and cost is not null
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
        kinds.charged_input,
        kinds.charged_output,
        kinds.plain_input,
        kinds.plain_input_cost,
        kinds.plain_output,
        kinds.plain_output_cost,
        cache_savings.input_tokens,
        cache_savings.cache_read_input_tokens as cached_tokens,
        cache_savings.read_saving as saving
    from sums
    left join kinds
        on
            sums.source_name = kinds.source_name
            and sums.usage_date = kinds.usage_date
            and sums.model is not distinct from kinds.model
            and sums.currency = kinds.currency
    left join cache_savings
        on
            sums.source_name = cache_savings.source_name
            and sums.usage_date = cache_savings.usage_date
            and sums.model is not distinct from cache_savings.model
            and sums.currency = cache_savings.currency
)

select * from final
