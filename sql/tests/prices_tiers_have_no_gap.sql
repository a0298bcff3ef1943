-- The tiers of a price begin at 0, follow on each other and end open. A call in a gap
-- has no price and is counted as unpriced.
{{ config(severity='warn') }}

with prices as (
    select * from {{ ref('prices') }}
    -- A tenant's rule is understood only if it has none; its last tier may end.
    where catalogue <> 'tenant'
),

neighbours as (
    select
        *,
        lag(tier_max_input_tokens, 1, 0) over tiers as previous_max,
        lead(tier_min_input_tokens) over tiers as next_min
    from prices
    window
        tiers as (
            partition by
                catalogue,
                provider,
                region,
                lower(model_pattern),
                match_kind,
                token_kind,
                service_tier,
                valid_from,
                daily_from
            order by tier_min_input_tokens
        )
),

final as (
    select price_id from neighbours
    where
        tier_min_input_tokens is distinct from previous_max
        or tier_max_input_tokens is distinct from next_min
)

select * from final
