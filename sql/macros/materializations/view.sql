{#- A view is replaced in one statement. dbt's own way, for databases that cannot, makes another one
    and renames both, which takes a build a tenth longer: half of all models are views. -#}
{% materialization view, adapter='duckdb' %}
    {%- set built = create_or_replace_view() -%}
    {{- adapter.commit() -}}
    {{- return(built) -}}
{% endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
