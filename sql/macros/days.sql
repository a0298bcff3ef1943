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

{#- The quarter of an hour that an instant lies in: no day of any time zone begins within one. -#}
{% macro quarter_hour(instant) -%}
    {{ return(adapter.dispatch('quarter_hour')(instant)) }}
{%- endmacro %}

{% macro duckdb__quarter_hour(instant) -%}
    make_timestamptz(epoch_us({{ instant }}) // 900000000 * 900000000)
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
