{#- A source that is held: its new rows break an invariant, so that this run builds it as it was last
    published, and the others as they are now.

    `held_sources` of told.sql names them. Before the run, pipelines/holding.py writes to schema `last_good`
    their days that are to be as published (`days`), the slices that are not (`slices`), and the
    published rows of those days, by the name of their table; no such table where nothing was
    published yet. A held source has its rows replaced where the calls and buckets of all vendors
    come together: all that follows from them is built as ever. Its slices are not noted, so that
    the next run tries it again. -#}

{#- Whether a row is of a held source. -#}
{% macro is_held() -%}
    {%- if held_sources() -%}
        source_name in ('{{ held_sources() | join("', '") }}')
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}

{#- The rows of `staged`, but those of a held source as they are in the published `table`: on the days
    that it is held on, which follow from `instant`, or on all without it. It has `columns`, or those
    by which the model is described. -#}
{% macro or_as_published(staged, table, instant=none, columns=none) -%}
    {%- if not held_sources() -%}
    select * from {{ staged }}
    {%- else -%}
    {%- set columns = columns or model.columns -%}
    select
        {{ columns | join(',\n        ') }}
    from {{ staged }}
    where
        not ({{ is_held() }})
        {%- if instant %}
        or not exists (
            select 1 from {{ source('last_good', 'days') }} as held_days
            where
                held_days.source_name = {{ staged }}.source_name
                and held_days.usage_date = {{ local_date(instant) }}
        )
        {%- endif %}
    {%- set published = load_relation(source('last_good', table)) %}
    {%- if published %}
    {%- set known = adapter.get_columns_in_relation(published) | map(attribute='name') | list %}
    union all
    -- A column that was not published yet is NULL.
    select
        {%- for name in columns %}
        {{ name if name in known else 'null as ' ~ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ published }}
    {%- endif %}
    {%- endif %}
{%- endmacro %}
