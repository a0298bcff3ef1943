-- Grain: one row per price that a tenant's billing rules state, and per rule that states
-- none that is understood, which has no token_kind.
-- Key: source_name, model_pattern, token_kind, tier_min_input_tokens, valid_from.
-- Rule: of two rules the one that took effect later holds. A rule is understood whole,
-- every member of it, or not at all.
{%- set tier_members = [
    'min_tokens',
    'max_tokens',
    'input_price',
    'output_price',
    'thinking_input_price',
    'thinking_output_price',
    'cached_input_price',
] %}

with rules as (
    select
        *,
        {{ json_or_null('pricing_config') }} as config,
        coalesce(valid_from, {{ as_instant("'1970-01-01 00:00:00+00'") }}) as starts_at
    from {{ ref('stg_alibaba_model_router__billing_rules') }}
    where not is_deleted
),

instants as (
    select
        source_name,
        model_code,
        starts_at as instant
    from rules
    union distinct
    select
        source_name,
        model_code,
        valid_to as instant
    from rules
    where valid_to is not null
),

periods as (
    select
        *,
        lead(instant) over (partition by source_name, model_code order by instant)
            as next_instant
    from instants
),

ranked as (
    select
        rules.*,
        periods.instant,
        periods.next_instant,
        row_number() over (
            partition by periods.source_name, periods.model_code, periods.instant
            order by
                rules.starts_at desc,
                rules.version desc nulls last,
                rules.rule_id desc,
                rules.base_url asc
        ) as preference
    from periods
    inner join rules
        on
            periods.source_name = rules.source_name
            and periods.model_code = rules.model_code
            and periods.instant >= rules.starts_at
            and (rules.valid_to is null or periods.instant < rules.valid_to)
),

holding as (
    select
        *,
        coalesce(
            {{ is_currency_code('currency') }}
            and (
                (
                    billing_type = 'token_tiered'
                    and {{ has_only('config', ['tiers']) }}
                )
                or (
                    billing_type = 'token_flat'
                    and {{ has_only(
                        'config', ['input_price', 'multimodal_input_price']
                    ) }}
                    -- How many tokens of a call are not text is not said.
                    and coalesce(
                        {{ json_text('config', 'multimodal_input_price') }},
                        {{ json_text('config', 'input_price') }}
                    ) = {{ json_text('config', 'input_price') }}
                )
                or (
                    billing_type = 'per_image'
                    and {{ has_only('config', ['price_per_image']) }}
                )
            ),
            false
        ) as has_known_shape
    from ranked
    where preference = 1
),

elements as (
    select
        *,
        {{ each_element('config', 'tiers') }} as tier
    from holding
    where
        has_known_shape
        and billing_type = 'token_tiered'
    union all
    select
        *,
        config as tier
    from holding
    where
        has_known_shape
        and billing_type <> 'token_tiered'
),

tiers as (
    select
        *,
        coalesce(
            {{ cast_or_null(json_text('tier', 'min_tokens'), 'bigint') }}, 0
        ) as tier_min_input_tokens,
        nullif({{ cast_or_null(json_text('tier', 'max_tokens'), 'bigint') }}, 0)
            as tier_max_input_tokens,
        {{ cast_or_null(json_text('tier', 'input_price'), 'decimal(28, 12)') }}
            as input_price,
        {{ cast_or_null(json_text('tier', 'output_price'), 'decimal(28, 12)') }}
            as output_price,
        {{ cast_or_null(json_text('tier', 'thinking_input_price'), 'decimal(28, 12)') }}
            as thinking_input_price,
        {{ cast_or_null(json_text('tier', 'thinking_output_price'), 'decimal(28, 12)') }}
            as thinking_output_price,
        {{ cast_or_null(json_text('tier', 'cached_input_price'), 'decimal(28, 12)') }}
            as cached_input_price,
        {{ cast_or_null(json_text('tier', 'price_per_image'), 'decimal(28, 12)') }}
            as price_per_image
    from elements
),

judged as (
    select
        *,
        coalesce(
            case billing_type
                when 'per_image' then price_per_image is not null
                when 'token_flat' then input_price is not null
                else
                    {{ has_only('tier', tier_members) }}
                    and input_price is not null
                    and output_price is not null
            end
            -- There is no kind of token for input of a call that thinks.
            and coalesce(thinking_input_price, input_price, 0) = coalesce(input_price, 0)
            and tier_min_input_tokens = lag(tier_max_input_tokens, 1, 0) over (
                partition by source_name, model_code, instant
                order by tier_min_input_tokens
            ),
            false
        ) as is_understood
    from tiers
),

understood as (
    select *
    from (
        select
            *,
            min(case when is_understood then 1 else 0 end) over (
                partition by source_name, model_code, instant
            ) as are_all_understood
        from judged
    ) as rules_judged
    where are_all_understood = 1
),

kinds as (
    select
        'input' as token_kind,
        null as reasoning_mode
    union all
    select
        'output' as token_kind,
        null as reasoning_mode
    union all
    select
        'cache_read' as token_kind,
        null as reasoning_mode
    union all
    select
        'reasoning_output' as token_kind,
        'replaces_output' as reasoning_mode
    union all
    select
        'image' as token_kind,
        null as reasoning_mode
),

unpivoted as (
    select
        understood.*,
        kinds.token_kind,
        kinds.reasoning_mode,
        case kinds.token_kind
            when 'input' then understood.input_price
            when 'output' then understood.output_price
            when 'cache_read' then understood.cached_input_price
            when 'reasoning_output' then understood.thinking_output_price
            when 'image' then understood.price_per_image
        end as unit_price
    from understood
    cross join kinds
),

priced as (
    select
        source_name,
        model_code,
        token_kind,
        reasoning_mode,
        tier_min_input_tokens,
        tier_max_input_tokens,
        case token_kind when 'image' then 1 else 1000000 end as unit_size,
        unit_price,
        currency,
        instant,
        next_instant
    from unpivoted
    where unit_price is not null
    union all
    select
        source_name,
        model_code,
        null as token_kind,
        null as reasoning_mode,
        0 as tier_min_input_tokens,
        null as tier_max_input_tokens,
        null as unit_size,
        null as unit_price,
        currency,
        instant,
        next_instant
    from holding
    where
        (source_name, model_code, instant) not in (
            select
                understood.source_name,
                understood.model_code,
                understood.instant
            from understood
        )
),

final as (
    select
        source_name,
        'alibaba_model_router' as vendor,
        'alibaba_cloud.model_router' as provider_name,
        model_code as model_pattern,
        token_kind,
        reasoning_mode,
        tier_min_input_tokens,
        tier_max_input_tokens,
        unit_size,
        unit_price,
        currency,
        instant as valid_from,
        next_instant as valid_to
    from priced
)

select * from final
