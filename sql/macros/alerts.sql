{#- What an alert is told in: sentences, and queries to paste. -#}

{#- An amount of money for people: two decimals, half away from zero. -#}
{% macro money_text(amount) -%}
    {{ decimal_text('cast(' ~ amount ~ ' as decimal(38, 2))', 2) }}
{%- endmacro %}

{#- A share of 1 for people, in percent. -#}
{% macro percent_text(ratio) -%}
    {{ decimal_text('cast(' ~ ratio ~ ' * 100 as decimal(18, 2))', 2) }} || ' %'
{%- endmacro %}

{#- The month of its first day for people, such as 2026-11. -#}
{% macro month_text(month) -%}
    substring(cast({{ month }} as string), 1, 7)
{%- endmacro %}

{#- A value as a literal of SQL: names are text in a query, too. -#}
{% macro literal_text(value) -%}
    '''' || replace(cast({{ value }} as string), '''', '''''') || ''''
{%- endmacro %}

{#- One row for each of some whole numbers; none for an empty list. -#}
{% macro each_number(numbers) -%}
    {{ return(adapter.dispatch('each_number')(numbers)) }}
{%- endmacro %}

{% macro duckdb__each_number(numbers) -%}
    unnest(cast([{{ numbers | join(', ') }}] as integer[]))
{%- endmacro %}

{#- The first of the days that alerts look at, given the last complete one: of a source that was late
    no day is passed over, and what calls that come late make of a day is told, too. -#}
{% macro first_alerted_day(last_day) -%}
    {{ days_after(last_day, -6) }}
{%- endmacro %}
