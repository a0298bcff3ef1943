-- A SkuPriceId is of one SkuId, and of one price.
with charges as (
    select
        SkuPriceId as sku_price_id,
        SkuId as sku_id,
        ListUnitPrice as unit_price,
        PricingUnit as pricing_unit
    from {{ ref('focus_charges') }}
    where
        SkuPriceId is not null
        and {{ tested('ChargePeriodStart') }}
),

final as (
    select sku_price_id from charges
    group by sku_price_id
    having
        count(distinct sku_id) <> 1
        or count(distinct unit_price) <> 1
        or count(distinct pricing_unit) <> 1
)

select * from final
