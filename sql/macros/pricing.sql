{#- What one call costs at one row of prices, in exact decimals. -#}

{#- Two more CTEs, `billed` and `charged`, for a `with` that has `relation`: calls, each with a row
    of prices per single token beside it. `charged` adds what each kind of token is billed for, what
    it costs and, in why_not, what keeps the whole from being known; then charged_cost is NULL.

    Cached and cache-creation tokens are billed at their own price, or as input where none is
    listed. A call that creates a cache reads that same one, which can have a price of its own
    (explicit_cache_read). Reasoning tokens are billed as output; at their own price where one is
    listed (separate); or, if there are any, all output is (replaces_output). Sound, images and video
    are billed at their own price or not at all: where one differs from that of text, how many there
    are must be known, and that none of them was cached. A price per request or per image stands
    alone or on top of prices per token. A failed call costs what its tokens cost, and no request. -#}
{% macro charges(relation) -%}
billed as (
    select
        *,
        coalesce(request_price, image_price) is not null
        and coalesce(input_price, output_price, reasoning_output_price) is null
            as is_per_unit,
        case when cache_read_price is null or {{ is_explicit_cache() }} then 0
            else coalesce(cache_read_input_tokens, 0)
        end as billed_cache_read_tokens,
        case when {{ is_explicit_cache() }} then coalesce(cache_read_input_tokens, 0) else 0 end
            as billed_explicit_cache_read_tokens,
        case when cache_creation_price is null then 0
            else coalesce(cache_creation_input_tokens, 0)
        end as billed_cache_creation_tokens,
        {%- for kind in modality_kinds() %}
        case when {{ kind }}_price is null then 0 else coalesce({{ kind }}_tokens, 0) end
            as billed_{{ kind }}_tokens,
        {%- endfor %}
        case when web_search_price is null then 0 else coalesce(web_search_count, 0) end
            as billed_web_searches,
        case
            when image_price is null or error_type is not null then 0
            else coalesce(image_count, 0)
        end as billed_images,
        -- Nothing is billed for what an unsuccessful call does not report.
        case when error_type is null then input_tokens else coalesce(input_tokens, 0) end
            as known_input_tokens,
        case
            when error_type is null and output_price is not null then output_tokens
            else coalesce(output_tokens, 0)
        end as known_output_tokens,
        case
            when reasoning_output_price is null or coalesce(output_tokens, 0) = 0 then 0
            when reasoning_mode = 'separate' then reasoning_output_tokens
            when reasoning_output_tokens > 0 then output_tokens
            when reasoning_output_tokens = 0 then 0
        end as billed_reasoning_output_tokens
    from {{ relation }}
),

counted as (
    select
        *,
        case when is_per_unit then 0 else
            known_input_tokens - billed_cache_read_tokens - billed_explicit_cache_read_tokens
            - billed_cache_creation_tokens - billed_audio_input_tokens
            - billed_image_input_tokens - billed_video_input_tokens
        end as billed_input_tokens,
        case when is_per_unit then 0 else
            known_output_tokens - billed_reasoning_output_tokens
            - billed_audio_output_tokens - billed_image_output_tokens
        end as billed_output_tokens,
        case when error_type is null then 1 else 0 end as billed_requests,
        coalesce(audio_input_tokens, 0) + coalesce(image_input_tokens, 0)
        + coalesce(video_input_tokens, 0) as media_input_tokens
    from billed
),

explained as (
    select
        *,
        case
            when
                image_price is not null and image_count is null and error_type is null
                or web_search_count > 0 and web_search_price is null
                then 'units_not_priced'
            when is_per_unit then null
            when known_input_tokens is null or known_output_tokens is null
                then 'tokens_unknown'
            when
                {%- for kind in modality_kinds() %}
                {%- set text_price = kind.split('_')[1] ~ '_price' %}
                {{ kind }}_tokens > 0 and {{ kind }}_price is null
                or {{ kind }}_tokens is null
                and {{ kind }}_price <> coalesce({{ text_price }}, -1)
                and known_{{ kind.split('_')[1] }}_tokens > 0
                or
                {%- endfor %}
                media_input_tokens > 0
                and coalesce(cache_read_input_tokens, 0)
                + coalesce(cache_creation_input_tokens, 0) > 0
                then 'units_not_priced'
            when billed_reasoning_output_tokens is null then 'reasoning_tokens_unknown'
            when
                billed_input_tokens < 0
                or billed_output_tokens < 0
                -- What the parts leave out of the total was used, and is not known by kind.
                or total_tokens > known_input_tokens + known_output_tokens
                then 'tokens_contradict_each_other'
            when billed_input_tokens > 0 and input_price is null then 'input_not_priced'
            when billed_output_tokens > 0 and output_price is null then 'output_not_priced'
        end as why_not
    from counted
),

summed as (
    select
        *,
        case when why_not is null then
            {%- for kind in price_kinds() %}
            {{ billed_of(kind) }} * coalesce({{ kind }}_price, 0)
            {{- " +" if not loop.last }}
            {%- endfor %}
        end as charged_amount
    from explained
),

charged as (
    select
        *,
        {%- for kind in price_kinds() %}
        {{ billed_of(kind) }} * coalesce({{ kind }}_price, 0) as {{ kind }}_cost,
        {%- endfor %}
        {{ as_cost('charged_amount') }} as charged_cost
    from summed
)
{%- endmacro %}

{#- Whether a call reads from a cache that it also writes to by its own word. -#}
{% macro is_explicit_cache() -%}
    (explicit_cache_read_price is not null and coalesce(cache_creation_input_tokens, 0) > 0)
{%- endmacro %}

{#- What a price can be for. -#}
{% macro price_kinds() -%}
    {{ return(
        ['input', 'output', 'cache_read', 'explicit_cache_read', 'cache_creation',
         'reasoning_output'] + modality_kinds() + ['image', 'web_search', 'request']
    ) }}
{%- endmacro %}

{#- Of those, the parts of input and output that are no text. -#}
{% macro modality_kinds() -%}
    {{ return(
        ['audio_input', 'image_input', 'video_input', 'audio_output', 'image_output']
    ) }}
{%- endmacro %}

{#- How many of a kind a row of `charges` was billed for. -#}
{% macro billed_of(kind) -%}
    {{ return({
        'image': 'billed_images',
        'web_search': 'billed_web_searches',
        'request': 'billed_requests',
    }.get(kind, 'billed_' ~ kind ~ '_tokens')) }}
{%- endmacro %}

{#- What of a call `charges` needs, beside its prices. -#}
{% macro billable_columns(relation) -%}
    {%- for name in [
        'error_type', 'input_tokens', 'output_tokens', 'total_tokens', 'cache_read_input_tokens',
        'cache_creation_input_tokens', 'reasoning_output_tokens', 'audio_input_tokens',
        'image_input_tokens', 'video_input_tokens', 'audio_output_tokens', 'image_output_tokens',
        'image_count', 'web_search_count',
    ] %}
    {{ relation }}.{{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- An instant in UTC, as text that names it for ever. -#}
{% macro utc_text(instant) -%}
    {{ return(adapter.dispatch('utc_text')(instant)) }}
{%- endmacro %}

{% macro duckdb__utc_text(instant) -%}
    strftime(timezone('UTC', {{ instant }}), '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{#- Minutes since midnight, of a time of day written HH:MM. -#}
{% macro minutes_of(clock) -%}
    cast(substring({{ clock }}, 1, 2) as integer) * 60
    + cast(substring({{ clock }}, 4, 2) as integer)
{%- endmacro %}

{#- The minute of the UTC day in which an instant lies. -#}
{% macro utc_minute(instant) -%}
    {{ return(adapter.dispatch('utc_minute')(instant)) }}
{%- endmacro %}

{#- Of all calls: a division is quicker than taking the instant apart. -#}
{% macro duckdb__utc_minute(instant) -%}
    (epoch_us({{ instant }}) // 60000000) % 1440
{%- endmacro %}

{#- A member of a JSON object, as text; NULL where it has none. -#}
{% macro json_text(object, member) -%}
    {{ return(adapter.dispatch('json_text')(object, member)) }}
{%- endmacro %}

{% macro duckdb__json_text(object, member) -%}
    json_extract_string({{ object }}, '$.{{ member }}')
{%- endmacro %}

{#- Of a group of long price rows: for each kind a price per token and its id. -#}
{% macro pivoted_prices(relation) -%}
    {%- for kind in price_kinds() %}
    max(case when {{ relation }}.token_kind = '{{ kind }}' then price_per_token end)
        as {{ kind }}_price,
    max(case when {{ relation }}.token_kind = '{{ kind }}' then price_id end)
        as {{ kind }}_price_id{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The columns of a row of prices that `charges` needs. -#}
{% macro price_columns(relation=none) -%}
    {%- set prefix = relation ~ "." if relation else "" -%}
    {{ prefix }}reasoning_mode,
    {%- for kind in price_kinds() %}
    {{ prefix }}{{ kind }}_price,
    {{ prefix }}{{ kind }}_price_id{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The ids of those prices at which a row of `charges` was billed for anything. -#}
{% macro billed_price_ids(relation) -%}
    {%- for kind in price_kinds() %}
    {%- set count = billed_of(kind) %}
    case
        when {{ relation }}.cost_derived is not null and {{ relation }}.{{ count }} > 0
            then {{ relation }}.{{ kind }}_price_id
    end as {{ kind }}_price_id{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Whether a name in lower case is one that a row of prices is for. -#}
{% macro is_listed_as(name, prices) -%}
    (
        {{ name }} = {{ prices }}.pattern
        or (
            {{ prices }}.match_kind = 'prefix'
            and {{ begins_with(name, prices ~ '.pattern') }}
        )
    )
{%- endmacro %}

{#- Whether that many input tokens fall into the tier of a row of prices. -#}
{% macro is_tier_of(input_tokens, prices) -%}
    coalesce({{ input_tokens }}, 0) >= {{ prices }}.tier_min_input_tokens
    and coalesce({{ input_tokens }}, 0)
    < coalesce({{ prices }}.tier_max_input_tokens, 9223372036854775807)
{%- endmacro %}

{#- Vendors report at best eight decimals, some through a binary float: a difference up to one unit
    of the eighth says nothing. -#}
{% macro is_same_cost(one, other) -%}
    abs({{ one }} - {{ other }}) <= cast(0.00000001 as decimal(38, 12))
{%- endmacro %}
