{#- What can be computed from money without a float. -#}

{#- amount * part / whole, exactly, then rounded to `places` decimals, half away from zero. `part`
    and `whole` are integers. NULL where any of them is; `whole` must not be 0. -#}
{% macro proportion(amount, part, whole, places=12) -%}
    {{ return(adapter.dispatch('proportion')(amount, part, whole, places)) }}
{%- endmacro %}

{#- DuckDB divides decimals as doubles, so this divides integers: the amount in units of its last
    decimal. It holds while amount * part stays below 10 ** (38 - places) / 2, and fails beyond. -#}
{% macro duckdb__proportion(amount, part, whole, places) -%}
    {%- set units -%}
        cast(cast({{ amount }} as decimal(38, {{ places }})) * {{ 10 ** places }} as hugeint)
    {%- endset -%}
    cast(
        cast(
            cast(sign({{ amount }}) as hugeint) * (
                (
                    2 * abs({{ units }}) * cast({{ part }} as hugeint)
                    + cast({{ whole }} as hugeint)
                )
                // (2 * cast({{ whole }} as hugeint))
            ) as decimal(38, 0)
        ) * cast(0.{{ '0' * (places - 1) }}1 as decimal({{ places + 1 }}, {{ places }}))
        as decimal(38, {{ places }})
    )
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
