-- Grain: one row per row of daily_charges with a cost, of sources that count in totals.
-- Key: as there.
-- Inputs: daily_charges, who has a part in them, the prices they name.
-- Rule: all columns of FOCUS 1.2, and of 1.3 the two names that come in place of
-- ProviderName; a view, which the published file has, too.
{{ config(materialized='view') }}

with prices as (
    select * from {{ published_ref('prices') }}
),

{{ described_charges('daily_charges.cost is not null') }},

priced as (
    select
        described.*,
        case
            when described.unit_size > 1
                then cast(described.unit_size as string) || ' ' || described.unit
            when described.quantity is not null then described.unit
        end as pricing_unit,
        cast(
            described.quantity
            * case described.unit_size
                when 1000 then cast(0.001 as decimal(7, 6))
                when 1000000 then cast(0.000001 as decimal(7, 6))
                else cast(1 as decimal(7, 6))
            end as decimal(26, 6)
        ) as pricing_quantity,
        described.sku || '@' || {{ ascii('described.price_id') }} as sku_price,
        prices.catalogue,
        prices.provider || ' ' || prices.region as price_list,
        prices.tier_min_input_tokens,
        {{ utc_text('prices.valid_from') }} as valid_from
    from described
    left join prices on described.price_id = prices.price_id
),

listed as (
    select
        *,
        {{ as_cost('pricing_quantity * cast(unit_price as decimal(28, 12))') }}
            as list_cost
    from priced
),

compared as (
    select
        *,
        -- Each call is rounded to the twelfth decimal.
        coalesce(
            abs(list_cost - cost) <= calls * cast(0.000000000001 as decimal(38, 12)),
            false
        ) as is_listed_cost
    from listed
),

final as (
    select
        cast(null as string) as AvailabilityZone,
        cost as BilledCost,
        currency as BillingCurrency,
        cast(null as string) as CapacityReservationId,
        cast(null as string) as CapacityReservationStatus,
        cast(null as string) as CommitmentDiscountCategory,
        cast(null as string) as CommitmentDiscountId,
        cast(null as string) as CommitmentDiscountName,
        cast(null as decimal(38, 12)) as CommitmentDiscountQuantity,
        cast(null as string) as CommitmentDiscountStatus,
        cast(null as string) as CommitmentDiscountType,
        cast(null as string) as CommitmentDiscountUnit,
        cost as ContractedCost,
        case when is_listed_cost then unit_price end as ContractedUnitPrice,
        cost as EffectiveCost,
        cast(null as string) as InvoiceId,
        case when is_listed_cost then cost else coalesce(list_cost, cost) end
            as ListCost,
        unit_price as ListUnitPrice,
        'Standard' as PricingCategory,
        currency as PricingCurrency,
        case when is_listed_cost then unit_price end
            as PricingCurrencyContractedUnitPrice,
        cost as PricingCurrencyEffectiveCost,
        unit_price as PricingCurrencyListUnitPrice,
        pricing_quantity as PricingQuantity,
        pricing_unit as PricingUnit,
        cast(null as string) as RegionId,
        cast(null as string) as RegionName,
        cast(null as string) as ResourceId,
        cast(null as string) as ResourceName,
        cast(null as string) as ResourceType,
        sku_price as SkuPriceId,
        case
            when sku_price is not null
                then {{ json_attributes({
                    'x_Catalogue': 'catalogue',
                    'x_PriceList': 'price_list',
                    'x_TierMinInputTokens': 'tier_min_input_tokens',
                    'x_ValidFrom': 'valid_from',
                }) }}
        end as SkuPriceDetails,
        {{ focus_columns() }},
        split as x_Split,
        cost_basis as x_CostBasis,
        cost_kind as x_CostKind
    from compared
)

select * from final
