-- At any instant a token kind of a pattern has one price for a number of input tokens.
with prices as (
    select * from {{ ref('prices') }}
),

final as (
    select
        one.price_id,
        other.price_id as other_price_id
    from prices as one
    inner join prices as other
        on
            one.catalogue = other.catalogue
            and one.source_name is not distinct from other.source_name
            and one.provider = other.provider
            and one.region = other.region
            and lower(one.model_pattern) = lower(other.model_pattern)
            and one.match_kind = other.match_kind
            and one.token_kind = other.token_kind
            and one.service_tier = other.service_tier
            and one.price_id < other.price_id
            and (other.valid_to is null or one.valid_from < other.valid_to)
            and (one.valid_to is null or one.valid_to > other.valid_from)
            and one.daily_from < other.daily_to
            and one.daily_to > other.daily_from
            and (
                other.tier_max_input_tokens is null
                or one.tier_min_input_tokens < other.tier_max_input_tokens
            )
            and (
                one.tier_max_input_tokens is null
                or one.tier_max_input_tokens > other.tier_min_input_tokens
            )
)

select * from final
