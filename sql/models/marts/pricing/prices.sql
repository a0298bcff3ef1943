-- Grain: one row per price: of a token kind of a model, in a tier, for a time and hours.
-- Key: price_id.
-- Rule: precedence 1 wins; only rows of service tier standard price calls.
with prices as (
    select * from {{ ref('int_prices') }}
),

final as (
    select * from prices
    where token_kind is not null
)

select * from final
