{#- A hash of what a row says in `columns`, for rows that come without an id. -#}
{% macro fingerprint(columns) -%}
    md5(concat_ws(
        '|'
        {%- for column in columns -%}
        , coalesce(cast({{ column }} as string), '')
        {%- endfor -%}
    ))
{%- endmacro %}
