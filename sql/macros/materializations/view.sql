{#- A view is replaced in one statement. dbt's own way, for databases that cannot, makes another one
    and renames both, which takes a build a tenth longer: half of all models are views. -#}
{% materialization view, adapter='duckdb' %}
    {%- set built = create_or_replace_view() -%}
    {{- adapter.commit() -}}
    {{- return(built) -}}
{% endmaterialization %}

{#- A view that names what only one run knows, such as the days that it touched: every run makes it,
    while a view that stands as it would be made is left out, see pipelines/built_views.py. -#}
{% materialization view_of_run, adapter='duckdb' %}
    {{- return(materialization_view_duckdb()) -}}
{% endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
