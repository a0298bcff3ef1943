{#- What vendors list beside their calls (channels, keys, models), and how long it held.

    A vendor tells only what is true now. dbt's snapshots under `sql/snapshots/` remember each
    version from the instant at which it was first read to that of the next one, so that a call
    keeps the names that it had, and a rebuild finds them again. A `--full-refresh` leaves them. -#}

{#- What a snapshot looks at: one row per `key` of the table that holds a list as it was last read. -#}
{% macro present_state(relation, key, columns) -%}
    select
        {{ key | join(', ') }},
        {%- for column in columns %}
        min({{ column }}) as {{ column }},
        {%- endfor %}
        -- The list was true at the end of its window.
        max(window_end) as read_at,
        max(_dlt_load_id) as load_id
    from {{ relation }}
    group by {{ key | join(', ') }}
{%- endmacro %}

{#- valid_from and valid_to of the rows of a snapshot; both are NULL where there is no bound. What
    came before the first reading is taken to have been as it said. -#}
{% macro validity(key) -%}
    case
        when
            row_number() over (
                partition by {{ key | join(', ') }} order by dbt_valid_from nulls first
            ) > 1
            then dbt_valid_from
    end as valid_from,
    dbt_valid_to as valid_to
{%- endmacro %}

{#- Whether a row of `lookup`, with its validity, held at an instant. -#}
{% macro held_at(lookup, instant) -%}
    ({{ lookup }}.valid_from is null or {{ instant }} >= {{ lookup }}.valid_from)
    and ({{ lookup }}.valid_to is null or {{ instant }} < {{ lookup }}.valid_to)
{%- endmacro %}

{#- The rows of `rows` that a row of `lookup` says something of, by their instant, with the load that
    told it. `key` maps the columns of the lookup that name one to those of the rows. -#}
{% macro uses_of(lookup, rows, key, instant) -%}
    select
        {{ rows }}.source_name,
        {{ rows }}.{{ instant }} as billed_at,
        {{ lookup }}.load_id
    from {{ lookup }}
    inner join {{ rows }}
        on
            {{ lookup }}.source_name = {{ rows }}.source_name
            {%- for ours, theirs in key.items() %}
            and {{ lookup }}.{{ ours }} = {{ rows }}.{{ theirs }}
            {%- endfor %}
            and {{ held_at(lookup, rows ~ '.' ~ instant) }}
{%- endmacro %}
