{#- Which days a run rebuilds.

    A slice of a load that a run has taken in is marked in transform_state.processed_slices, but
    only when every model of the project was built: a failed or killed run marks nothing, so that
    the next one redoes its days and more. Without any mark, every day is rebuilt in place. That is
    how a changed time zone, model or seed, and --full-refresh, reach the days long closed. -#}

{#- Before a run: forget all marks if the tables were built with other settings. A part of the
    models cannot move to another time zone: the days of the rest would stay where they were. -#}
{% macro forget_marks_if_changed() -%}
    {%- if execute -%}
        {%- set now = settings() -%}
        {%- set before = {} -%}
        {%- for row in run_query('select name, value from transform_state.settings') -%}
            {%- do before.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- set zone = before.get('reporting_timezone', now.reporting_timezone) -%}
        {%- set missing = models_missing_from(selected_resources) -%}
        {%- if not missing and (before != now or flags.FULL_REFRESH) %}
    delete from transform_state.processed_slices
        {%- elif missing and zone != now.reporting_timezone and flags.WHICH != 'test' -%}
            {{ exceptions.raise_compiler_error(
                "the tables count days of " ~ zone ~ ", not of " ~ now.reporting_timezone
                ~ ": build all models, without --select"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The incremental strategy `touched_days`: in one transaction, take the touched days out of a model
    and put their rows in again, so that a day can also become empty. `unique_key` names what is
    replaced whole: [source_name, <day>], or [<day>] where a row sums all sources. Deleting comes
    after dbt has altered the columns: DuckDB cannot commit the two the other way round. -#}
{% macro get_incremental_touched_days_sql(arguments) -%}
    {%- set replaced = arguments.unique_key -%}
    {%- set touched = ['source_name', 'usage_date'][-(replaced | length):] -%}
    delete from {{ arguments.target_relation }}
    where
        not exists (select 1 from transform_state.processed_slices)
        or ({{ replaced | join(', ') }}) in (
            select {{ touched | join(', ') }} from {{ ref('int_touched_days') }}
        );
    {{ get_insert_into_sql(
        arguments.target_relation, arguments.temp_relation, arguments.dest_columns
    ) }}
{%- endmacro %}

{#- Before a long table is changed: note the days that will be, for the next publishing, which empties
    the list. A table made anew, and a run that rebuilds every day, note no day but NULL: all. That
    it comes before is what counts: a run that fails or is killed has noted its days. -#}
{% macro note_unpublished_days() -%}
    insert into transform_state.unpublished_days
    (
        {%- if is_incremental() %}
        select usage_date from {{ ref('int_touched_days') }}
        where exists (select 1 from transform_state.processed_slices)
        union
        select null where not exists (select 1 from transform_state.processed_slices)
        {%- else %}
        select null
        {%- endif %}
    )
    except
    select usage_date from transform_state.unpublished_days
{%- endmacro %}

{#- Whether a row lies in a touched day; for a model with a CTE touched_days. -#}
{% macro in_touched_days(day) -%}
    (source_name, {{ day }}) in (select source_name, usage_date from touched_days)
{%- endmacro %}

{#- After a run that built everything: mark the slices that it took in. -#}
{% macro mark_slices(results) -%}
    {%- set new_slices = ref('int_new_slices') -%}
    {%- if execute and not models_missing_from(built_in(results)) %}
    insert into transform_state.processed_slices
    select
        slice_id,
        load_id,
        current_timestamp
    from {{ new_slices }}
    where
        (slice_id, load_id) not in (
            select slice_id, load_id from transform_state.processed_slices
        )
    {%- endif -%}
{%- endmacro %}

{#- After a run that built everything: remember its settings. -#}
{% macro record_settings(results) -%}
    {%- if execute and not models_missing_from(built_in(results)) %}
    delete from transform_state.settings;
    insert into transform_state.settings values
        {%- for name, value in settings().items() %}
        ('{{ name }}', '{{ value }}'){{ "," if not loop.last }}
        {%- endfor %}
    {%- endif -%}
{%- endmacro %}

{#- What all tables must have been built with: the time zone, the models and seeds. -#}
{% macro settings() -%}
    {%- set checksums = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
        {%- do checksums.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {{ return({
        'reporting_timezone': var('reporting_timezone'),
        'models_checksum': local_md5(checksums | sort | join),
    }) }}
{%- endmacro %}

{% macro built_in(results) -%}
    {%- set built = [] -%}
    {%- for result in results if result.status == 'success' -%}
        {%- do built.append(result.node.unique_id) -%}
    {%- endfor -%}
    {{ return(built) }}
{%- endmacro %}

{% macro models_missing_from(unique_ids) -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- if node.unique_id not in unique_ids -%}
            {%- do missing.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro %}
