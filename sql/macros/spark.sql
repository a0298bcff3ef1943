{#- The models on Apache Spark over Delta tables: what Spark writes otherwise than DuckDB does, and
    where dbt-spark does something else than dbt-duckdb. sql/spark.md says how it is run, and which
    settings the profile must make for figures to be right. -#}

{#- Types and instants -#}

{% macro spark__instant_type() -%}
    {{ return('timestamp') }}
{%- endmacro %}

{#- Spark has no infinite instant: cast from that word it is NULL, and what holds for ever never does. -#}
{% macro spark__end_of_time() -%}
    cast('9999-12-31 23:59:59.999999' as timestamp)
{%- endmacro %}

{% macro spark__local_date(instant) -%}
    cast(from_utc_timestamp({{ instant }}, '{{ var("reporting_timezone") }}') as date)
{%- endmacro %}

{% macro spark__day_start(day) -%}
    to_utc_timestamp(cast({{ day }} as timestamp), '{{ var("reporting_timezone") }}')
{%- endmacro %}

{% macro spark__days_after(day, number) -%}
    date_add({{ day }}, {{ number }})
{%- endmacro %}

{% macro spark__days_between(first, last) -%}
    cast(datediff({{ last }}, {{ first }}) as bigint)
{%- endmacro %}

{% macro spark__quarter_hour(instant) -%}
    timestamp_micros(unix_micros({{ instant }}) div 900000000 * 900000000)
{%- endmacro %}

{% macro spark__utc_minute(instant) -%}
    (unix_micros({{ instant }}) div 60000000) % 1440
{%- endmacro %}

{% macro spark__utc_text(instant) -%}
    (
        date_format({{ instant }}, 'yyyy-MM-dd') || 'T'
        || date_format({{ instant }}, 'HH:mm:ss') || 'Z'
    )
{%- endmacro %}

{% macro spark__milliseconds_between(first, last) -%}
    ((unix_micros({{ last }}) - unix_micros({{ first }})) div 1000)
{%- endmacro %}

{#- One row each. A sequence that would go backwards is an error, where there are to be no rows. -#}

{% macro spark__each_day(first, last) -%}
    explode(
        case when {{ first }} <= {{ last }}
            then sequence({{ first }}, {{ last }}, interval 1 day)
        end
    )
{%- endmacro %}

{% macro spark__each_hour(first, last) -%}
    explode(
        case when date_trunc('hour', {{ first }}) <= {{ last }}
            then sequence(date_trunc('hour', {{ first }}), {{ last }}, interval 1 hour)
        end
    )
{%- endmacro %}

{% macro spark__each_number(numbers) -%}
    explode(array({{ numbers | join(', ') }}))
{%- endmacro %}

{#- Read once: each part of a union would have the planner copy all that `relation` is made of. -#}
{% macro spark__each_version(relation, kept, versions, given) -%}
    select * from (
        select
            {{ kept | join(', ') }},
            inline(array(
                {%- for version in versions %}
                named_struct(
                    {%- for name, expression in version.items() %}
                    '{{ name }}', {{ expression }}{{ "," if not loop.last }}
                    {%- endfor %}
                ){{ "," if not loop.last }}
                {%- endfor %}
            ))
        from {{ relation }}
    )
    {{ "where " ~ given ~ " is not null" if given }}
{%- endmacro %}

{#- JSON, which is text -#}

{% macro spark__json_attributes(members) -%}
    to_json(named_struct(
        {%- for name, expression in members.items() %}
        '{{ name }}', {{ expression }}{{ "," if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro spark__json_text(object, member) -%}
    get_json_object({{ object }}, '$.{{ member }}')
{%- endmacro %}

{#- A text that says a number is none: the parser takes it for a broken one. -#}
{% macro spark__json_number(object, member) -%}
    from_json(
        {{ object }}, '{{ member }} double', map('allowNonNumericNumbers', 'false')
    ).{{ member }}
{%- endmacro %}

{% macro spark__as_json(text) -%}
    try_parse_json({{ text }})
{%- endmacro %}

{% macro spark__json_or_null(text) -%}
    case when try_parse_json({{ text }}) is not null then {{ text }} end
{%- endmacro %}

{% macro spark__has_only(object, members) -%}
    size(array_except(
        json_object_keys({{ object }}), array('{{ members | join("', '") }}')
    )) = 0
{%- endmacro %}

{% macro spark__each_member(object, name, value) -%}
    explode(from_json({{ object }}, 'map<string, string>')) as ({{ name }}, {{ value }})
{%- endmacro %}

{% macro spark__each_element(json, member) -%}
    {%- set array = "get_json_object(" ~ json ~ ", '$." ~ member ~ "')" if member else json -%}
    explode(from_json({{ array }}, 'array<string>'))
{%- endmacro %}

{#- Rows are numbered where they are, as an order of all of them would bring them to one machine. -#}
{% macro spark__any_number() -%}
    monotonically_increasing_id()
{%- endmacro %}

{#- Texts. A raw literal keeps its backslashes; `$` would also match before a line's end. -#}

{% macro spark__is_identifier(text) -%}
    {{ text }} rlike r'^[A-Za-z0-9][A-Za-z0-9._:/-]*\z'
{%- endmacro %}

{% macro spark__is_span_id(text) -%}
    {{ text }} rlike r'^[0-9a-f]{16}\z'
{%- endmacro %}

{% macro spark__is_currency_code(text) -%}
    {{ text }} rlike r'^[A-Z]{3}\z'
{%- endmacro %}

{% macro spark__dashed_date(name) -%}
    regexp_replace({{ name }}, r'[-@](20\d\d)([01]\d)([0-3]\d)\z', '-$1-$2-$3')
{%- endmacro %}

{% macro spark__compact_date(name) -%}
    regexp_replace({{ name }}, r'[-@](20\d\d)-?([01]\d)-?([0-3]\d)\z', '-$1$2$3')
{%- endmacro %}

{% macro spark__undated(name) -%}
    regexp_replace(
        {{ name }}, r'[-@]20\d\d(-[01]\d-|[01]\d)[0-3]\d(-v\d+(:\d+)?)?\z', ''
    )
{%- endmacro %}

{#- Java's encoding is that of forms: four characters are other ones in addresses. -#}
{% macro spark__ascii(text) -%}
    case
        when {{ text }} rlike r'^[\x00-\x7F]*\z' then {{ text }}
        else
            replace(replace(replace(
                url_encode({{ text }}), '+', '%20'
            ), '*', '%2A'), '%7E', '~')
    end
{%- endmacro %}

{#- Spark's hashes pass over NULL, so that one in another place would be the same. -#}
{% macro spark__price_ids_key() -%}
    md5(to_json(struct({{ price_id_columns() }})))
{%- endmacro %}

{% macro spark__cast_or_null(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}

{#- A decimal as text: a cast writes small ones as 1E-12. -#}
{% macro spark__decimal_text(amount, places) -%}
    trim(to_char(
        cast({{ amount }} as decimal(38, {{ places }})),
        'MI{{ '9' * (37 - places) }}0.{{ '0' * places }}'
    ))
{%- endmacro %}

{#- Money -#}

{% macro spark__as_cost(amount) -%}
    cast({{ amount }} as decimal(38, 12))
{%- endmacro %}

{#- The same arithmetic as on DuckDB, in decimals without places: there are no integers of 128 bits.
    A quotient is a bigint here, so that the amount is divided in two halves of 18 digits, and one of
    more than 36 digits is NULL. -#}
{% macro spark__proportion(amount, part, whole, places) -%}
    {%- set units = 'abs(' ~ in_units(amount, places) ~ ')' -%}
    {%- set part = 'cast(' ~ part ~ ' as decimal(38, 0))' -%}
    {%- set whole = 'cast(' ~ whole ~ ' as decimal(38, 0))' -%}
    {%- set half = '1' ~ '0' * 18 -%}
    {%- set above = '(' ~ units ~ ' div ' ~ half ~ ')' -%}
    {%- set left = whole_of(above ~ ' % ' ~ whole) ~ ' * ' ~ half ~ ' + ' ~ units ~ ' % ' ~ half -%}
    {%- set quotient = whole_of(above ~ ' div ' ~ whole) ~ ' * ' ~ half
        ~ ' + ' ~ whole_of('(' ~ left ~ ') div ' ~ whole) -%}
    case
        when
            abs(cast({{ amount }} as double)) < 9e{{ 36 - places }}
            and abs(cast({{ amount }} as double)) * cast({{ part }} as double)
            / cast({{ whole }} as double) < 1e{{ 37 - places }}
            and cast({{ part }} as double) * cast({{ whole }} as double) < 4.5e37
            then
                cast(
                    cast(sign({{ amount }}) as decimal(1, 0)) * (
                        {{ whole_of(quotient) }} * {{ part }}
                        + {{ whole_of(
                            '(2 * (' ~ units ~ ' % ' ~ whole ~ ') * ' ~ part ~ ' + ' ~ whole
                            ~ ') div (2 * ' ~ whole ~ ')'
                        ) }}
                    ) as decimal(38, 0)
                )
                * cast(0.{{ '0' * (places - 1) }}1 as decimal({{ places + 1 }}, {{ places }}))
    end
{%- endmacro %}

{% macro whole_of(expression) -%}
    cast({{ expression }} as decimal(38, 0))
{%- endmacro %}

{% macro spark__in_units(amount, places) -%}
    {%- set rounded = 'cast(' ~ amount ~ ' as decimal(38, ' ~ places ~ '))' -%}
    {%- set unit = '1' ~ '0' * places -%}
    (
        cast({{ rounded }} - {{ rounded }} % 1 as decimal(38, 0)) * {{ unit }}
        + cast(({{ rounded }} % 1) * {{ unit }} as decimal(38, 0))
    )
{%- endmacro %}

{#- dbt -#}

{#- A hook is one statement there. -#}
{% macro spark__replace_rows(table, rows) -%}
    insert overwrite {{ table }} values {{ rows | join(', ') }}
{%- endmacro %}

{#- Delta refuses one of two that read a table and add to it at once. So nothing is read, and a row may
    be there twice. -#}
{% macro spark__but_those_noted(noted) -%}
{%- endmacro %}

{#- What every run makes anew is a table here: the planner copies a view, and the views below it, into
    each place that reads it. -#}
{% materialization view_of_run, adapter='spark' %}
    {{- return(materialization_table_spark()) -}}
{% endmaterialization %}

{#- dbt-spark knows its own incremental strategies only, and asks no macro of a project for another
    (dbt-adapters #833). -#}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy != 'touched_days' or file_format != 'delta' -%}
        {{ exceptions.raise_compiler_error(
            'on Spark, models are incremental by touched_days in tables of Delta alone'
        ) }}
    {%- endif -%}
    {{ return(raw_strategy) }}
{%- endmacro %}

{#- The touched days out of a model and in again, as one commit of Delta. What is replaced must be in
    so many words. -#}
{% macro dbt_spark_get_incremental_sql(
    strategy, source, target, existing, unique_key, incremental_predicates
) -%}
    {%- set touched_by = config.get('meta', {}).get('touched_by', 'int_touched_days') -%}
    {%- set columns = adapter.get_columns_in_relation(target) -%}
    insert into {{ target }}
    replace where {{ lies_in_touched_days(unique_key, touched_by) }}
    select {{ columns | map(attribute='quoted') | join(', ') }} from {{ source }}
{%- endmacro %}

{#- Whether a row is of a touched day, with the days as literals; `replaced` as in the strategy. -#}
{% macro lies_in_touched_days(replaced, touched_by) -%}
    {%- set touched = ['source_name', 'usage_date'][-(replaced | length):] -%}
    {%- set query -%}
        select distinct {{ touched | join(', ') }} from {{ ref(touched_by) }}
    {%- endset -%}
    {%- set days = {} -%}
    {%- for row in run_query(query) -%}
        {%- set source_name = row[0] if replaced | length > 1 else '' -%}
        {%- do days.setdefault(source_name, []).append("date'" ~ row[-1] ~ "'") -%}
    {%- endfor -%}
    {%- for source_name, dates in days.items() -%}
        {{ "(" if loop.first else " or " }}
        {%- if replaced | length > 1 -%}
            {{ replaced[0] }} = {{ text_literal(source_name) }} and {{ "" }}
        {%- endif -%}
        {{ replaced | last }} in ({{ dates | sort | join(', ') }})
        {{- ")" if loop.last }}
    {%- else -%}
        false
    {%- endfor -%}
{%- endmacro %}

{#- Seeds. dbt-spark writes what is empty as the word None in a session (dbt-adapters #487), and keeps
    the types of DuckDB as they are named. Fields are bare texts here, and each column is cast once: a
    cast of each field takes the planner seconds. -#}
{% macro spark__create_csv_table(model, agate_table) -%}
    {%- do adapter.drop_relation(this.incorporate(type='table')) -%}
    {%- set names = agate_table.column_names -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for name in names -%}
            {%- do values.append(text_literal(row[name])) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set sql -%}
        create table {{ this }} using parquet as
        select
            {%- for name in names %}
            cast({{ adapter.quote(name) }} as {{ type_of_seed_column(model, agate_table, name) }})
            as {{ adapter.quote(name) }}{{ "," if not loop.last }}
            {%- endfor %}
        from values
        {{ rows | join(', ') or '(' ~ (['null'] * (names | length)) | join(', ') ~ ')' }}
        as fields ({% for name in names %}{{ adapter.quote(name) }}{{ ", " if not loop.last }}{% endfor %})
        {{ "where false" if not rows }}
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro spark__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {{ return(create_csv_table(model, agate_table)) }}
{%- endmacro %}

{#- They came with the table. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {{ return('') }}
{%- endmacro %}

{% macro type_of_seed_column(model, agate_table, name) -%}
    {%- set type = model['config'].get('column_types', {}).get(name)
        or adapter.convert_type(agate_table, agate_table.column_names.index(name)) -%}
    {{ return({'varchar': 'string', 'timestamptz': 'timestamp'}.get(type, type)) }}
{%- endmacro %}

{#- A value as text of SQL; NULL where there is none. -#}
{% macro text_literal(value) -%}
    {%- if value is none -%}
        {{ return('null') }}
    {%- endif -%}
    {{ return("'" ~ (value | string).replace('\\', '\\\\').replace("'", "\\'") ~ "'") }}
{%- endmacro %}

{#- New columns of a snapshot, but those of its key, which dbt-spark knows of a key of one column alone:
    added to the table, they are there twice in the next run. -#}
{% macro spark__create_columns(relation, columns) -%}
    {%- set added = columns | rejectattr('name', 'in', [
        'dbt_unique_key_1', 'dbt_unique_key_2', 'dbt_unique_key_3', 'dbt_unique_key_4'
    ]) | list -%}
    {%- if added -%}
        {%- call statement() -%}
            alter table {{ relation }} add columns (
                {%- for column in added %}
                `{{ column.name }}` {{ column.data_type }}{{ "," if not loop.last }}
                {%- endfor %}
            )
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}
