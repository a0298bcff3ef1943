{#- What can be computed from money without a float. -#}

{#- An amount of up to 18 decimals, rounded to the twelve of a cost, half away from zero. -#}
{% macro as_cost(amount) -%}
    {{ return(adapter.dispatch('as_cost')(amount)) }}
{%- endmacro %}

{#- DuckDB takes two microseconds to divide a number of 128 bits, and below 1, where nearly all costs
    lie, 64 bits hold 18 decimals. -#}
{% macro duckdb__as_cost(amount) -%}
    case
        when {{ amount }} > -1 and {{ amount }} < 1
            then
                cast(
                    cast(cast({{ amount }} as decimal(18, 18)) as decimal(18, 12))
                    as decimal(38, 12)
                )
        else cast({{ amount }} as decimal(38, 12))
    end
{%- endmacro %}

{#- amount * part / whole, exactly, then rounded to `places` decimals, half away from zero. `part`
    and `whole` are integers of at most 19 digits. NULL where any of them is, or where the result
    has more than 37 digits; `whole` must not be 0. -#}
{% macro proportion(amount, part, whole, places=12) -%}
    {{ return(adapter.dispatch('proportion')(amount, part, whole, places)) }}
{%- endmacro %}

{#- DuckDB divides decimals as doubles, so this divides integers: the amount in units of its last
    decimal. The amount is divided before it is multiplied, and what is left of it after: no product
    is larger than the result or than part * whole. The doubles only tell whether both fit. -#}
{% macro duckdb__proportion(amount, part, whole, places) -%}
    {%- set units = 'abs(' ~ in_units(amount, places) ~ ')' -%}
    {%- set part = 'cast(' ~ part ~ ' as hugeint)' -%}
    {%- set whole = 'cast(' ~ whole ~ ' as hugeint)' -%}
    case
        when
            abs(cast({{ amount }} as double)) * {{ part }} / {{ whole }} < 1e{{ 37 - places }}
            and cast({{ part }} as double) * {{ whole }} < 8.5e37
            then
                cast(
                    cast(sign({{ amount }}) as hugeint) * (
                        {{ units }} // {{ whole }} * {{ part }}
                        + (2 * ({{ units }} % {{ whole }}) * {{ part }} + {{ whole }})
                        // (2 * {{ whole }})
                    ) as decimal(38, 0)
                )
                * cast(0.{{ '0' * (places - 1) }}1 as decimal({{ places + 1 }}, {{ places }}))
    end
{%- endmacro %}

{#- A decimal in units of its `places`th decimal, as an integer. -#}
{% macro in_units(amount, places) -%}
    {{ return(adapter.dispatch('in_units')(amount, places)) }}
{%- endmacro %}

{#- Multiplied whole, a decimal(38, 12) of 15 digits before the point would overflow. -#}
{% macro duckdb__in_units(amount, places) -%}
    {%- set rounded = 'cast(' ~ amount ~ ' as decimal(38, ' ~ places ~ '))' -%}
    (
        cast(trunc({{ rounded }}) as hugeint) * {{ 10 ** places }}
        + cast(({{ rounded }} - trunc({{ rounded }})) * {{ 10 ** places }} as hugeint)
    )
{%- endmacro %}

{#- A cost at a rate of 15 decimals, rounded to twelve; NULL where either is, or it does not fit. -#}
{% macro converted(cost, rate) -%}
    {{ proportion(cost, in_units(rate, 15), 10 ** 15) }}
{%- endmacro %}

{#- What some tokens cost at the average price of others: 0 for none, NULL where there are no others. -#}
{% macro at_price_of_kind(tokens, others) -%}
    case
        when {{ tokens }} = 0 then 0
        else {{ proportion(others ~ '_cost', tokens, 'nullif(' ~ others ~ ', 0)') }}
    end
{%- endmacro %}

{#- What a table of costs says per day, source and currency. -#}
{% macro costs_by_day(relation) -%}
    select
        usage_date,
        source_name,
        currency,
        sum(cost) as cost,
        cast(sum(calls) as bigint) as calls,
        cast(sum(priced_tokens) as bigint) as priced_tokens,
        cast(sum(unpriced_tokens) as bigint) as unpriced_tokens
    from {{ relation }}
    group by
        usage_date,
        source_name,
        currency
{%- endmacro %}
