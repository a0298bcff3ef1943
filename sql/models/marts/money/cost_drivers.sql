-- Grain: one row per complete day, source, model and currency, of it or its baseline day.
-- Key: all of these.
-- Inputs: what each model cost and did on each day, the baseline of each day.
-- Rule: volume + mix + cache + price = change, exactly: price takes what others leave.
with model_days as (
    select * from {{ ref('int_model_days') }}
),

baselines as (
    select * from {{ ref('int_driver_baselines') }}
),

models as (
    select
        baselines.*,
        model_days.model
    from baselines
    inner join model_days
        on
            baselines.source_name = model_days.source_name
            and baselines.currency = model_days.currency
            and baselines.usage_date = model_days.usage_date
    union
    select
        baselines.*,
        model_days.model
    from baselines
    inner join model_days
        on
            baselines.source_name = model_days.source_name
            and baselines.currency = model_days.currency
            and baselines.baseline_date = model_days.usage_date
),

paired as (
    select
        models.usage_date,
        models.source_name,
        models.model,
        models.currency,
        models.counts_in_totals,
        models.baseline_date,
        models.calls as source_calls,
        models.baseline_calls as source_baseline_calls,
        present.charged_input,
        present.charged_output,
        present.input_tokens,
        present.cached_tokens,
        present.saving,
        past.charged_input as baseline_charged_input,
        past.charged_output as baseline_charged_output,
        past.plain_input as baseline_plain_input,
        past.plain_input_cost as baseline_plain_input_cost,
        past.plain_output as baseline_plain_output,
        past.plain_output_cost as baseline_plain_output_cost,
        past.input_tokens as baseline_input_tokens,
        past.cached_tokens as baseline_cached_tokens,
        past.saving as baseline_saving,
        coalesce(present.cost, 0) as cost,
        coalesce(present.calls, 0) as calls,
        coalesce(present.tokens, 0) as tokens,
        coalesce(past.cost, 0) as baseline_cost,
        coalesce(past.calls, 0) as baseline_calls,
        coalesce(past.tokens, 0) as baseline_tokens
    from models
    left join model_days as present
        on
            models.source_name = present.source_name
            and models.currency = present.currency
            and models.model is not distinct from present.model
            and models.usage_date = present.usage_date
    left join model_days as past
        on
            models.source_name = past.source_name
            and models.currency = past.currency
            and models.model is not distinct from past.model
            and models.baseline_date = past.usage_date
),

-- What the tokens of each day would have cost at the prices of the baseline day without
-- any cache, so that only how many they are, of input and of output, makes a difference.
weighed as (
    select
        *,
        {{ at_price_of_kind('charged_input', 'baseline_plain_input') }}
        + {{ at_price_of_kind('charged_output', 'baseline_plain_output') }} as full_cost,
        {{ at_price_of_kind('baseline_charged_input', 'baseline_plain_input') }}
        + {{ at_price_of_kind('baseline_charged_output', 'baseline_plain_output') }}
            as baseline_full_cost
    from paired
),

scaled as (
    select
        *,
        {{ proportion(
            'baseline_cost', 'source_calls', 'nullif(source_baseline_calls, 0)'
        ) }} as cost_at_source_calls,
        {{ proportion('baseline_cost', 'calls', 'nullif(baseline_calls, 0)') }}
            as cost_at_calls,
        {{ proportion('baseline_cost', 'tokens', 'nullif(baseline_tokens, 0)') }}
            as cost_at_tokens,
        {{ share_of('baseline_cost', 'full_cost', 'baseline_full_cost', 9) }}
            as cost_at_kinds,
        {{ proportion(
            'baseline_saving', 'input_tokens', 'nullif(baseline_input_tokens, 0)'
        ) }} as saving_at_input,
        {{ proportion(
            'baseline_saving', 'cached_tokens', 'nullif(baseline_cached_tokens, 0)'
        ) }} as saving_at_cached
    from weighed
),

staged as (
    select
        *,
        -- First its calls grow as those of its source did, ...
        case
            when source_baseline_calls = 0 then cost
            -- A quotient too large to be told is no step of its own.
            else coalesce(cost_at_source_calls, cost)
        end as cost_at_volume,
        -- ... then it has its own tokens, each at what it cost on the baseline day.
        case
            when source_baseline_calls = 0 then cost
            when tokens > 0 and baseline_tokens > 0
                then coalesce(cost_at_kinds, cost_at_tokens, cost)
            when baseline_calls > 0 then coalesce(cost_at_calls, cost)
            else cost
        end as cost_at_mix,
        case
            when source_baseline_calls = 0 or tokens = 0 or baseline_tokens = 0 then 0
            when baseline_cached_tokens = 0 then coalesce(-saving, 0)
            else coalesce(saving_at_input - saving_at_cached, 0)
        end as cached_cost
    from scaled
),

final as (
    select
        usage_date,
        source_name,
        model,
        currency,
        baseline_date,
        cost,
        calls,
        tokens,
        case when baseline_date is not null then baseline_cost end as baseline_cost,
        case when baseline_date is not null then baseline_calls end as baseline_calls,
        case when baseline_date is not null then baseline_tokens end as baseline_tokens,
        case when baseline_date is not null then cost - baseline_cost end as cost_change,
        case when baseline_date is not null then cost_at_volume - baseline_cost end
            as volume_effect,
        case when baseline_date is not null then cost_at_mix - cost_at_volume end
            as mix_effect,
        case when baseline_date is not null then cached_cost end as cache_effect,
        case when baseline_date is not null then cost - cost_at_mix - cached_cost end
            as price_effect,
        counts_in_totals
    from staged
)

select * from final
