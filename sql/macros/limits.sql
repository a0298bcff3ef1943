{#- What a vendor's number must be to be summed, in one place.

    The sum of eight million rows of the largest number admitted, and of ten million amounts, fits
    the type of the sum: tokens and calls a bigint (2 ** 40 * 2 ** 23 = 2 ** 63), an amount a
    decimal(38, 12) (10 ** 18 * 10 ** 7 < 10 ** 26). An amount in any currency is far below:
    10 ** 15 rupiah are 60 billion dollars. A number beyond, a negative one where there is no such
    thing, a part of a token, or money in what has no code becomes NULL in the marts and is named in
    `rejected_values`. -#}

{#- The largest number admitted in each column that has a limit. -#}
{% macro limits() -%}
    {%- set tokens = 2 ** 40 -%}
    {{ return({
        'calls': tokens,
        'errors': tokens,
        'input_tokens': tokens,
        'output_tokens': tokens,
        'total_tokens': tokens,
        'cache_read_input_tokens': tokens,
        'cache_creation_input_tokens': tokens,
        'reasoning_output_tokens': tokens,
        'audio_input_tokens': tokens,
        'image_input_tokens': tokens,
        'video_input_tokens': tokens,
        'audio_output_tokens': tokens,
        'image_output_tokens': tokens,
        'image_count': tokens,
        'web_search_count': tokens,
        'status_code': 10 ** 6,
        'request_count': 10 ** 6,
        'cost_reported': 10 ** 18,
    }) }}
{%- endmacro %}

{#- Whether what is sent in a column of `limits` is a number that can be; NULL where it is NULL.
    Only a charge can be a credit: below 0, a gateway's or an observer's own reckoning is an error
    of it, such as input less more cached tokens than that. An amount whose
    unit has no code, which an empty currency tells, is no cost. -#}
{% macro is_admitted(column) -%}
    {%- set limit = limits()[column] -%}
    {%- if column == 'cost_reported' -%}
        (
            abs(cost_reported) <= {{ limit }}
            and (
                cost_reported >= 0
                or coalesce(cast(cost_kind as string), '') = 'chargeback'
            )
            -- Of what has no currency at all, a test says so and holds the source.
            and (cost_reported is null or coalesce(cast(currency as string), '-') <> '')
        )
    {%- else -%}
        ({{ column }} between 0 and {{ limit }} and {{ column }} = floor({{ column }}))
    {%- endif -%}
{%- endmacro %}

{#- The number in a column of `limits`, as `type`; NULL where it is not admitted. -#}
{% macro admitted(column, type) -%}
    case when {{ is_admitted(column) }} then cast({{ column }} as {{ type }}) end
{%- endmacro %}

{#- All rows of `relations`, as `union_of` gives them, but for the numbers that are not admitted:
    they are NULL, and in `rejected` as sent. What a cost is in goes with it. A part of a cost that
    does not fit is NULL, too: then the parts are not the cost, and it is not told apart by them. -#}
{% macro admitted_union_of(relations, columns) -%}
    {%- set measures = [] -%}
    {%- set conditions = [] -%}
    {%- set members = {} -%}
    {%- for name in columns if name in limits() -%}
        {%- set sent = 'cast(' ~ name ~ ' as string)' -%}
        {%- if name == 'cost_reported' -%}
            {#- Without the zeros of its type. -#}
            {%- set sent = "rtrim(rtrim(" ~ decimal_text(name, 12) ~ ", '0'), '.')" -%}
        {%- endif -%}
        {%- do measures.append(name) -%}
        {%- do conditions.append('not ' ~ is_admitted(name)) -%}
        {%- do members.update(
            {name: 'case when not ' ~ is_admitted(name) ~ ' then ' ~ sent ~ ' end'}
        ) -%}
    {%- endfor -%}
    {%- for relation in relations %}
    select
        {%- for name, type in columns.items() %}
        {% if name in measures -%}
            {{ admitted(name, type) }}
        {%- elif name.endswith('_cost_reported') -%}
            case
                when abs({{ name }}) <= {{ limits()['cost_reported'] }}
                    then cast({{ name }} as {{ type }})
            end
        {%- elif name in ('currency', 'cost_kind') -%}
            case when {{ is_admitted('cost_reported') }} then cast({{ name }} as {{ type }}) end
        {%- else -%}
            cast({{ name }} as {{ type }})
        {%- endif %} as {{ name }},
        {%- endfor %}
        case when {{ conditions | join(' or ') }} then {{ json_attributes(members) }} end
            as rejected
    from {{ relation }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The columns that `admitted_union_of` gives. -#}
{% macro admitted_columns(columns) -%}
    {{ return(columns | list + ['rejected']) }}
{%- endmacro %}

{#- Why a number that was sent, as text, in a column of `limits` was not admitted. -#}
{% macro why_rejected(column, sent) -%}
    {%- set limit = limits()[column] -%}
    case
        when cast({{ sent }} as double) > {{ limit }} then 'larger than {{ limit }}'
        when cast({{ sent }} as double) < -{{ limit }} then 'smaller than -{{ limit }}'
        when cast({{ sent }} as double) < 0 then 'negative'
        {% if column == 'cost_reported' -%}
            else 'in no currency that has a code'
        {%- else -%}
            else 'not a whole number'
        {%- endif %}
    end
{%- endmacro %}
