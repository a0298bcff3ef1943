{#- Which rows the data tests of a night look at.

    A night tests what it brought and the days that it touched: the others were tested when they
    were built, and are as they were. With `tests_all` every test looks at all of history. -#}

{#- Where the rows of a large table come from: the column of their day or of their instant, or
    `load_id`. The calls of a vendor's staging are tested by their load. What is not here is small,
    or has no days, and is tested whole. -#}
{% macro tested_by() -%}
    {{ return({
        'calls': 'call_date',
        'call_costs': 'call_date',
        'rejected_values': 'usage_date',
        'cache_savings': 'usage_date',
        'cost_variance': 'usage_date',
        'usage_buckets': 'bucket_date',
        'daily_tokens': 'usage_date',
        'daily_costs': 'usage_date',
        'daily_charges': 'usage_date',
        'focus_charges': 'ChargePeriodStart',
        'reconciliation': 'usage_date',
        'stg_alibaba_model_router__billing_lines': 'billed_date',
        'stg_alibaba_model_router__match_rate': 'usage_date',
        'stg_alibaba_model_router__usage_buckets': 'bucket_start',
    }) }}
{%- endmacro %}

{#- What dbt asks for the rows that a generic test looks at. -#}
{% macro get_where_subquery(relation) -%}
    {%- set name = relation.identifier -%}
    {%- set is_calls = name.startswith('stg_') and name.endswith('__calls') -%}
    {%- set column = 'load_id' if is_calls else tested_by().get(name) -%}
    {%- set where = config.get('where') -%}
    {#- A vendor's rows of a held source are not what is built. -#}
    {%- if held_sources() and relation.identifier.startswith('stg_') -%}
        {%- set where = (where or 'true') ~ ' and not (' ~ is_held() ~ ')' -%}
    {%- endif -%}
    {%- if where or (column and not tests_all()) -%}
        (
            select * from {{ relation }}
            where
                {{ where or 'true' }}
                and {{ tested(column) if column else 'true' }}
        ) as dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- Whether a row lies where this run's tests look, by its load, its day or its instant; see
    `near_touched_days`. -#}
{% macro tested(column, hours=0) -%}
    {%- if tests_all() -%}
        true
    {%- elif column == 'load_id' -%}
        load_id in ({{ unprocessed_loads() }})
    {%- else -%}
        {{ near_touched_days(column, hours=hours) }}
    {%- endif -%}
{%- endmacro %}
