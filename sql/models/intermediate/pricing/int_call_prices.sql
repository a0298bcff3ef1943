-- Grain: one row per call, with the prices of its instant and tier.
-- Key: call_id.
-- Inputs: the calls, how their models are listed and priced, money without a call.
-- Rule: its start picks the price of a call, its end the hours, as vendors with hours
-- meter, its input tokens the tier of all of it.
with calls as (
    select * from {{ ref('calls') }}
),

model_names as (
    select * from {{ ref('int_model_names') }}
),

model_prices as (
    select * from {{ ref('int_model_prices') }}
),

usage_buckets as (
    select * from {{ ref('usage_buckets') }}
),

-- A vendor's charge for calls that it does not name: any of that day and model may be it.
charged_apart as (
    select distinct
        source_name,
        bucket_date,
        model
    from usage_buckets
    where
        calls = 0
        and total_tokens is null
        and cost_reported is not null
),

located as (
    select
        calls.call_id,
        calls.call_date,
        calls.source_name,
        calls.model,
        {{ billable_columns('calls') }},
        calls.cost_reported,
        calls.currency as currency_reported,
        calls.cost_kind as cost_kind_reported,
        calls.is_settled,
        coalesce(
            -- A factor of ten and more is none.
            {{ cast_or_null(
                json_text('calls.attributes', 'discount'), 'decimal(7, 6)'
            ) }},
            1
        ) as discount,
        coalesce(
            lower({{ json_text('calls.attributes', 'service_tier') }}), 'default'
        ) in ('default', 'standard', 'auto', 'on_demand') as is_standard_tier,
        coalesce(calls.called_at, calls.finished_at) as priced_at,
        {{ utc_minute('coalesce(calls.finished_at, calls.called_at)') }}
            as metered_minute,
        model_names.price_provider,
        model_names.price_region,
        model_names.listed_name is not null as is_listed
    from calls
    left join model_names
        on
            calls.source_name = model_names.source_name
            and calls.provider_name is not distinct from model_names.provider_name
            and calls.model = model_names.model
),

priced as (
    select
        located.*,
        charged_apart.model is not null
        and located.cost_reported is null as is_charged_apart,
        model_prices.catalogue,
        model_prices.is_understood,
        model_prices.valid_from,
        model_prices.from_minute,
        model_prices.tier_min_input_tokens,
        model_prices.currency as currency_listed,
        {{ price_columns('model_prices') }}
    from located
    left join charged_apart
        on
            located.source_name = charged_apart.source_name
            and located.call_date = charged_apart.bucket_date
            and located.model = charged_apart.model
    left join model_prices
        on
            located.source_name = model_prices.source_name
            and located.price_provider = model_prices.provider
            and located.price_region = model_prices.region
            and located.model = model_prices.model
            and located.priced_at >= model_prices.valid_from
            and located.priced_at
            < coalesce(model_prices.valid_to, {{ end_of_time() }})
            and located.metered_minute >= model_prices.from_minute
            and located.metered_minute < model_prices.to_minute
            and {{ is_tier_of('located.input_tokens', 'model_prices') }}
),

{{ charges('priced') }},

reasoned as (
    select
        *,
        case
            when not is_settled then 'unsettled'
            when is_charged_apart then 'charged_apart'
            when model is null then 'model_unknown'
            when price_provider is null then 'provider_not_mapped'
            when not is_listed then 'model_not_listed'
            when priced_at is null then 'instant_unknown'
            when catalogue is null then 'model_not_listed_at_that_time'
            when not is_understood then 'price_rule_not_understood'
            when not is_standard_tier then 'service_tier_not_listed'
            else why_not
        end as reason_unpriced
    from charged
),

derived as (
    select
        *,
        case when reason_unpriced is null then charged_cost end as cost_derived,
        case when reason_unpriced is null then currency_listed end as currency_derived
    from reasoned
),

final as (
    select
        *,
        case
            when currency_reported = currency_derived then cost_derived - cost_reported
        end as cost_variance
    from derived
)

select * from final
