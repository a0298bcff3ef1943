{#- What differs between databases, each behind a dispatch; the other side of most of it is in
    spark.sql. Models name types by words that both know: `string`, `bigint`, `decimal(38, 12)`. -#}

{#- The type of an instant. -#}
{% macro instant_type() -%}
    {{ return(adapter.dispatch('instant_type')()) }}
{%- endmacro %}

{% macro duckdb__instant_type() -%}
    {{ return('timestamptz') }}
{%- endmacro %}

{#- A text as an instant; one without an offset is of UTC. -#}
{% macro as_instant(text) -%}
    cast({{ text }} as {{ instant_type() }})
{%- endmacro %}

{#- An instant after all others: where something holds for ever. -#}
{% macro end_of_time() -%}
    {{ return(adapter.dispatch('end_of_time')()) }}
{%- endmacro %}

{% macro duckdb__end_of_time() -%}
    cast('infinity' as timestamptz)
{%- endmacro %}

{#- The day of an instant in the reporting time zone, as a date. -#}
{% macro local_date(instant) -%}
    {{ return(adapter.dispatch('local_date')(instant)) }}
{%- endmacro %}

{% macro duckdb__local_date(instant) -%}
    cast(timezone('{{ var("reporting_timezone") }}', {{ instant }}) as date)
{%- endmacro %}

{#- One row for each day from `first` to `last`, both included. -#}
{% macro each_day(first, last) -%}
    {{ return(adapter.dispatch('each_day')(first, last)) }}
{%- endmacro %}

{% macro duckdb__each_day(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date)
{%- endmacro %}

{#- One row for each hour from that of `first` to that of `last`, by its beginning. -#}
{% macro each_hour(first, last) -%}
    {{ return(adapter.dispatch('each_hour')(first, last)) }}
{%- endmacro %}

{% macro duckdb__each_hour(first, last) -%}
    unnest(generate_series(date_trunc('hour', {{ first }}), {{ last }}, interval 1 hour))
{%- endmacro %}

{#- Whole milliseconds from one instant to another; NULL where either is. -#}
{% macro milliseconds_between(first, last) -%}
    {{ return(adapter.dispatch('milliseconds_between')(first, last)) }}
{%- endmacro %}

{% macro duckdb__milliseconds_between(first, last) -%}
    date_sub('millisecond', {{ first }}, {{ last }})
{%- endmacro %}

{#- JSON text of an object of those members that are not NULL.
    `members` maps a name to an SQL expression. -#}
{% macro json_attributes(members) -%}
    {{ return(adapter.dispatch('json_attributes')(members)) }}
{%- endmacro %}

{% macro duckdb__json_attributes(members) -%}
    ('{' || concat_ws(
        ','
        {%- for name, expression in members.items() %}
        , '"{{ name }}":' || to_json({{ expression }})
        {%- endfor %}
    ) || '}')
{%- endmacro %}

{#- The names of the members of a JSON object, one row each, and beside them their values, as JSON,
    in columns of these names. No row for what is no object. -#}
{% macro each_member(object, name, value) -%}
    {{ return(adapter.dispatch('each_member')(object, name, value)) }}
{%- endmacro %}

{% macro duckdb__each_member(object, name, value) -%}
    {%- set members = 'try_cast(cast(' ~ object ~ ' as json) as map(varchar, json))' -%}
    unnest(map_keys({{ members }})) as {{ name }},
        unnest(map_values({{ members }})) as {{ value }}
{%- endmacro %}

{#- The number of a member of a JSON object; NULL where it is absent, or text. -#}
{% macro json_number(object, member) -%}
    {{ return(adapter.dispatch('json_number')(object, member)) }}
{%- endmacro %}

{% macro duckdb__json_number(object, member) -%}
    case
        when
            json_type({{ object }}, '$.{{ member }}') in ('UBIGINT', 'BIGINT', 'DOUBLE')
            then cast(json_extract({{ object }}, '$.{{ member }}') as double)
    end
{%- endmacro %}

{#- Whether a text is a model's identifier rather than a name for people to read. -#}
{% macro is_identifier(text) -%}
    {{ return(adapter.dispatch('is_identifier')(text)) }}
{%- endmacro %}

{% macro duckdb__is_identifier(text) -%}
    regexp_full_match({{ text }}, '[A-Za-z0-9][A-Za-z0-9._:/-]*')
{%- endmacro %}

{#- A value as `type`; NULL where it does not fit. -#}
{% macro cast_or_null(expression, type) -%}
    {{ return(adapter.dispatch('cast_or_null')(expression, type)) }}
{%- endmacro %}

{% macro duckdb__cast_or_null(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}

{#- A number for each row, whichever: no two have the same. -#}
{% macro any_number() -%}
    {{ return(adapter.dispatch('any_number')()) }}
{%- endmacro %}

{% macro duckdb__any_number() -%}
    row_number() over ()
{%- endmacro %}

{#- A decimal of so many places as text, with all of them. -#}
{% macro decimal_text(amount, places) -%}
    {{ return(adapter.dispatch('decimal_text')(amount, places)) }}
{%- endmacro %}

{% macro duckdb__decimal_text(amount, places) -%}
    cast({{ amount }} as varchar)
{%- endmacro %}

{#- The statement that gives a table these rows in place of all that it has. -#}
{% macro replace_rows(table, rows) -%}
    {{ return(adapter.dispatch('replace_rows')(table, rows)) }}
{%- endmacro %}

{% macro duckdb__replace_rows(table, rows) -%}
    delete from {{ table }};
    insert into {{ table }} values {{ rows | join(', ') }}
{%- endmacro %}

{#- What a query of rows that are added to a table takes from itself: those that are there. `noted` is
    the query of these. -#}
{% macro but_those_noted(noted) -%}
    {{ return(adapter.dispatch('but_those_noted')(noted)) }}
{%- endmacro %}

{% macro duckdb__but_those_noted(noted) -%}
    except
    {{ noted }}
{%- endmacro %}

{#- Whether a text is the id of an OpenTelemetry span: 16 hexadecimal digits. -#}
{% macro is_span_id(text) -%}
    {{ return(adapter.dispatch('is_span_id')(text)) }}
{%- endmacro %}

{% macro duckdb__is_span_id(text) -%}
    regexp_full_match({{ text }}, '[0-9a-f]{16}')
{%- endmacro %}

{#- Whether a text has the form of an ISO 4217 code. -#}
{% macro is_currency_code(text) -%}
    {{ return(adapter.dispatch('is_currency_code')(text)) }}
{%- endmacro %}

{% macro duckdb__is_currency_code(text) -%}
    regexp_full_match({{ text }}, '[A-Z]{3}')
{%- endmacro %}

{#- A text of JSON as what it says, not as a text: within `json_attributes`. -#}
{% macro as_json(text) -%}
    {{ return(adapter.dispatch('as_json')(text)) }}
{%- endmacro %}

{% macro duckdb__as_json(text) -%}
    cast({{ text }} as json)
{%- endmacro %}

{#- A text as JSON; NULL where it is none. -#}
{% macro json_or_null(text) -%}
    {{ return(adapter.dispatch('json_or_null')(text)) }}
{%- endmacro %}

{% macro duckdb__json_or_null(text) -%}
    try_cast({{ text }} as json)
{%- endmacro %}

{#- Whether a JSON object has no other members than these. -#}
{% macro has_only(object, members) -%}
    {{ return(adapter.dispatch('has_only')(object, members)) }}
{%- endmacro %}

{% macro duckdb__has_only(object, members) -%}
    list_has_all(['{{ members | join("', '") }}'], json_keys({{ object }}))
{%- endmacro %}

{#- One row for each element of a JSON array, or of the one in a member of a JSON object; none where
    there is no array. -#}
{% macro each_element(json, member=none) -%}
    {{ return(adapter.dispatch('each_element')(json, member)) }}
{%- endmacro %}

{% macro duckdb__each_element(json, member) -%}
    {%- if member -%}
        unnest(from_json(json_extract({{ json }}, '$.{{ member }}'), '["JSON"]'))
    {%- else -%}
        unnest(json_extract({{ json }}, '$[*]'))
    {%- endif -%}
{%- endmacro %}

{#- A text in ASCII, as FOCUS wants its texts: one that has other letters is percent-encoded. -#}
{% macro ascii(text) -%}
    {{ return(adapter.dispatch('ascii')(text)) }}
{%- endmacro %}

{% macro duckdb__ascii(text) -%}
    case
        when regexp_full_match({{ text }}, '[\x00-\x7F]*') then {{ text }}
        else url_encode({{ text }})
    end
{%- endmacro %}

{#- A number for all ids of prices of a row of call_costs together: of the few sets of them that there
    are, each has another. -#}
{% macro price_ids_key() -%}
    {{ return(adapter.dispatch('price_ids_key')()) }}
{%- endmacro %}

{% macro duckdb__price_ids_key() -%}
    hash({{ price_id_columns() }})
{%- endmacro %}

{#- The rows of `relation` once for each of `versions`: its columns `kept`, and those that a version
    maps to expressions, all versions the same names. Of them, `given` names one that must not be
    NULL. -#}
{% macro each_version(relation, kept, versions, given=none) -%}
    {{ return(adapter.dispatch('each_version')(relation, kept, versions, given)) }}
{%- endmacro %}

{% macro duckdb__each_version(relation, kept, versions, given) -%}
    {%- for version in versions %}
    select
        {{ kept | join(', ') }},
        {%- for name, expression in version.items() %}
        {{ expression }}{{ " as " ~ name if expression != name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    {{ "where " ~ version[given] ~ " is not null" if given }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}
