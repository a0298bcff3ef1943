-- Grain: one row per LLM call.
-- Key: call_id.
-- Inputs: the calls with their prices; the prices of other tiers and times.
-- Rule: the touched days of a source are replaced whole, the others stay as they are.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'call_date'],
    pre_hook="{{ note_unpublished_days() }}",
    on_schema_change='sync_all_columns',
) }}

with call_prices as (
    select * from {{ ref('int_call_prices') }}
),

model_prices as (
    select * from {{ ref('int_model_prices') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

compared as (
    select
        *,
        case
            when currency_reported = currency_derived then cost_derived - cost_reported
        end as cost_variance
    from call_prices
    {% if is_incremental() %}
        where {{ in_touched_days('call_date') }}
    {% endif %}
),

differing as (
    select * from compared
    where
        cost_variance is not null
        and not {{ is_same_cost('cost_reported', 'cost_derived') }}
        and not {{ is_same_cost('cost_reported', 'cost_derived * discount') }}
),

repriced as (
    select
        differing.call_id,
        differing.cost_reported,
        differing.discount,
        {{ billable_columns('differing') }},
        differing.valid_from = model_prices.valid_from
        and differing.from_minute = model_prices.from_minute as is_other_tier,
        {{ price_columns('model_prices') }}
    from differing
    inner join model_prices
        on
            differing.source_name = model_prices.source_name
            and differing.price_provider = model_prices.provider
            and differing.price_region = model_prices.region
            and differing.model = model_prices.model
            and differing.currency_reported = model_prices.currency
            and (
                -- Another tier of that time, or the tier of its tokens at another time.
                (
                    differing.valid_from = model_prices.valid_from
                    and differing.from_minute = model_prices.from_minute
                )
                or ({{ is_tier_of('differing.input_tokens', 'model_prices') }})
            )
),

{{ charges('repriced') }},

fits as (
    select
        call_id,
        max(case when is_other_tier then 1 else 0 end) as fits_other_tier
    from charged
    where {{ is_same_cost('cost_reported', 'charged_cost * discount') }}
    group by call_id
),

costed as (
    select
        compared.call_id,
        compared.call_date,
        compared.source_name,
        compared.model,
        compared.cost_reported,
        compared.currency_reported,
        compared.cost_derived,
        compared.currency_derived,
        case when compared.cost_derived is not null then compared.catalogue end
            as catalogue,
        case
            when compared.cost_derived is not null then compared.tier_min_input_tokens
        end as tier_min_input_tokens,
        {{ billed_price_ids('compared') }},
        compared.reason_unpriced,
        coalesce(compared.cost_reported, compared.cost_derived) as cost,
        case
            when compared.cost_reported is not null then compared.currency_reported
            else compared.currency_derived
        end as currency,
        case
            when compared.cost_reported is not null then 'reported'
            when compared.cost_derived is not null then 'derived'
            else 'unpriced'
        end as cost_basis,
        case
            when compared.cost_reported is not null then compared.cost_kind_reported
            when compared.cost_derived is null then null
            when compared.catalogue = 'own' then 'own_price'
            when compared.catalogue = 'tenant' then 'tenant_price'
            else 'list_estimate'
        end as cost_kind,
        compared.cost_variance,
        case
            when compared.cost_reported is null then null
            when compared.cost_derived is null then 'price_missing'
            when compared.cost_variance is null then 'currency'
            when compared.cost_variance = 0 then 'none'
            when
                {{ is_same_cost('compared.cost_reported', 'compared.cost_derived') }}
                then 'rounding'
            when
                {{ is_same_cost(
                    'compared.cost_reported',
                    'compared.cost_derived * compared.discount',
                ) }}
                then 'discount'
            when fits.fits_other_tier = 1 then 'tier'
            when fits.fits_other_tier = 0 then 'repriced_by_vendor'
            else 'unexplained'
        end as variance_reason,
        compared.total_tokens
    from compared
    left join fits on compared.call_id = fits.call_id
),

final as (
    select
        *,
        case when cost is null then 0 else total_tokens end as priced_tokens,
        case when cost is null then total_tokens else 0 end as unpriced_tokens
    from costed
)

select * from final
