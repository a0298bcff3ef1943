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

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

call_prices as (
    select * from {{ ref('int_call_prices') }}
    {% if is_incremental() %}
        where {{ in_touched_days('call_date') }}
    {% endif %}
),

model_prices as (
    select * from {{ ref('int_model_prices') }}
),

-- Read anew: a CTE that is read twice is kept whole, in memory or on disk.
differing as (
    select * from {{ ref('int_call_prices') }}
    where
        cost_variance is not null
        and not {{ is_same_cost('cost_reported', 'cost_derived') }}
        and not {{ is_same_cost('cost_reported', 'cost_derived * discount') }}
        {% if is_incremental() %}
            and {{ in_touched_days('call_date') }}
        {% endif %}
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
        call_prices.call_id,
        call_prices.call_date,
        call_prices.source_name,
        call_prices.model,
        call_prices.cost_reported,
        call_prices.currency_reported,
        call_prices.cost_derived,
        call_prices.currency_derived,
        case when call_prices.cost_derived is not null then call_prices.catalogue end
            as catalogue,
        case
            when call_prices.cost_derived is not null
                then call_prices.tier_min_input_tokens
        end as tier_min_input_tokens,
        {{ billed_price_ids('call_prices') }},
        call_prices.reason_unpriced,
        coalesce(call_prices.cost_reported, call_prices.cost_derived) as cost,
        case
            when call_prices.cost_reported is not null then call_prices.currency_reported
            else call_prices.currency_derived
        end as currency,
        case
            when call_prices.cost_reported is not null then 'reported'
            when call_prices.cost_derived is not null then 'derived'
            else 'unpriced'
        end as cost_basis,
        case
            when call_prices.cost_reported is not null then call_prices.cost_kind_reported
            when call_prices.cost_derived is null then null
            when call_prices.catalogue = 'own' then 'own_price'
            when call_prices.catalogue = 'tenant' then 'tenant_price'
            else 'list_estimate'
        end as cost_kind,
        call_prices.cost_variance,
        case
            when call_prices.cost_reported is null then null
            when call_prices.cost_derived is null then 'price_missing'
            when call_prices.cost_variance is null then 'currency'
            when call_prices.cost_variance = 0 then 'none'
            when
                {{ is_same_cost(
                    'call_prices.cost_reported', 'call_prices.cost_derived'
                ) }}
                then 'rounding'
            when
                {{ is_same_cost(
                    'call_prices.cost_reported',
                    'call_prices.cost_derived * call_prices.discount',
                ) }}
                then 'discount'
            when fits.fits_other_tier = 1 then 'tier'
            when fits.fits_other_tier = 0 then 'repriced_by_vendor'
            else 'unexplained'
        end as variance_reason,
        call_prices.total_tokens
    from call_prices
    left join fits on call_prices.call_id = fits.call_id
),

final as (
    select
        *,
        case when cost is null then 0 else total_tokens end as priced_tokens,
        case when cost is null then total_tokens else 0 end as unpriced_tokens
    from costed
)

select * from final
