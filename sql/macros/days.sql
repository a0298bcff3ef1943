{#- Arithmetic of days, which databases write differently. -#}

{#- The day `number` days after a day, as a date. -#}
{% macro days_after(day, number) -%}
    {{ return(adapter.dispatch('days_after')(day, number)) }}
{%- endmacro %}

{% macro duckdb__days_after(day, number) -%}
    ({{ day }} + {{ number }})
{%- endmacro %}

{#- The instant at which a day of the reporting time zone begins. -#}
{% macro day_start(day) -%}
    {{ return(adapter.dispatch('day_start')(day)) }}
{%- endmacro %}

{% macro duckdb__day_start(day) -%}
    timezone('{{ var("reporting_timezone") }}', cast({{ day }} as timestamp))
{%- endmacro %}

{#- Whether two instants lie within an hour of each other. -#}
{% macro is_near(one, other) -%}
    {{ one }} >= {{ other }} - interval '1' hour
    and {{ one }} <= {{ other }} + interval '1' hour
{%- endmacro %}

{#- How many days a day lies after another. -#}
{% macro days_between(first, last) -%}
    {{ return(adapter.dispatch('days_between')(first, last)) }}
{%- endmacro %}

{% macro duckdb__days_between(first, last) -%}
    date_diff('day', {{ first }}, {{ last }})
{%- endmacro %}

{#- The first and the last day of the month of a day. -#}
{% macro month_start(day) -%}
    cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{% macro month_end(day) -%}
    last_day({{ day }})
{%- endmacro %}
