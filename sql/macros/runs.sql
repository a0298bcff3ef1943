{#- Which days a run rebuilds.

    A slice of a load that a run has taken in is noted in transform_state.processed_slices, but
    only when every model of the project was built and no test failed: any other run notes none, so
    that the next one redoes its days and more. Where none is noted, every table is made anew. That is
    how a changed time zone, model or seed, and --full-refresh, reach the days long closed. -#}

{#- Whether a model is made anew, which dbt asks of every one. To empty a table and fill it again
    would take twice as long. -#}
{% macro should_full_refresh() -%}
    {%- set is_incremental = execute and config.get('materialized') == 'incremental' -%}
    {{ return(flags.FULL_REFRESH or (is_incremental and not has_processed_slices())) }}
{%- endmacro %}

{#- Whether this run makes every table anew, as should_full_refresh tells each of them. -#}
{% macro makes_all_anew() -%}
    {%- set is_build = execute and flags.WHICH == 'build' -%}
    {{ return(is_build and (flags.FULL_REFRESH or not has_processed_slices())) }}
{%- endmacro %}

{#- Whether any slice is noted as processed. -#}
{% macro has_processed_slices() -%}
    {%- set noted = run_query('select 1 from transform_state.processed_slices limit 1') -%}
    {{ return(noted | length > 0) }}
{%- endmacro %}

{#- Before a run: forget all slices if the tables were built with other settings. A part of the
    models cannot move to another time zone: the days of the rest would stay where they were. Nor can
    all of them, where the zone is not that of the settings, but the default of a plain `dbt build`. -#}
{% macro forget_processed_slices_if_changed() -%}
    {%- if execute -%}
        {%- set before = settings_before() -%}
        {%- set now = settings(before) -%}
        {%- set zone = before.get('reporting_timezone', now.reporting_timezone) -%}
        {%- if now.reporting_timezone not in (zone, timezone_of_settings()) -%}
            {{ exceptions.raise_compiler_error(
                "the tables count days of " ~ zone ~ ", and this dbt those of "
                ~ now.reporting_timezone ~ "; nothing was built: run `llm-usage dbt` instead, which"
                ~ " takes the zone from the settings"
            ) }}
        {%- endif -%}
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

{#- Before a run: forget what the views and seeds were made of. pipelines/built_views.py notes it again
    after a run that has made them all, or has left them out as they stood. -#}
{% macro forget_built_views() -%}
    {%- if flags.WHICH != 'test' -%}
    delete from transform_state.built_views
    {%- endif -%}
{%- endmacro %}

{#- The incremental strategy `touched_days`: in one transaction, take the touched days out of a model
    and put their rows in again, so that a day can also become empty. `unique_key` names what is
    replaced whole: [source_name, <day>], or [<day>] where a row sums all sources; the days are those
    of int_touched_days, or of the model that `meta.touched_by` names. Deleting comes
    after dbt has altered the columns: DuckDB cannot commit the two the other way round. -#}
{% macro get_incremental_touched_days_sql(arguments) -%}
    {%- set replaced = arguments.unique_key -%}
    {%- set touched = ['source_name', 'usage_date'][-(replaced | length):] -%}
    {%- set touched_by = config.get('meta', {}).get('touched_by', 'int_touched_days') -%}
    delete from {{ arguments.target_relation }}
    where
        ({{ replaced | join(', ') }}) in (
            select {{ touched | join(', ') }} from {{ ref(touched_by) }}
        )
        and {{ near_touched_days(replaced | last, days_of=touched_by) }};
    {{ get_insert_into_sql(
        arguments.target_relation, arguments.temp_relation, arguments.dest_columns
    ) }}
{%- endmacro %}

{#- Before a long table is changed: note the days that will be, for the next publishing, which empties
    the list. A table made anew notes no day but NULL: all. That it comes before is what counts: a run
    that fails or is killed has noted its days. -#}
{% macro note_unpublished_days() -%}
    insert into transform_state.unpublished_days
    (
        {%- if is_incremental() %}
        select usage_date from {{ ref('int_touched_days') }}
        {%- else %}
        select null
        {%- endif %}
    )
    {{ but_those_noted('select usage_date from transform_state.unpublished_days') }}
{%- endmacro %}

{#- Whether a row lies in a touched day; for a model with a CTE touched_days. The stretch of all of
    them stands there in so many words, so that the database can pass over whatever lies outside
    without reading it. `instant` is the column that a day follows from, where the rows are not
    sorted by day yet. -#}
{% macro in_touched_days(day, instant=none) -%}
    (source_name, {{ day }}) in (select source_name, usage_date from touched_days)
    and {{ near_touched_days(instant or day) }}
{%- endmacro %}

{#- Whether a row lies between the first and the last of the touched days, those of the model
    `days_of`. `column` is that of its day, whose name ends in `_date`, or of its instant, which may
    also lie up to `hours` away from them. -#}
{% macro near_touched_days(column, days_of='int_touched_days', hours=0) -%}
    {%- set span = touched_span(days_of) -%}
    {%- if span is none -%}
        false
    {%- elif column.endswith('_date') -%}
        {{ column }} >= cast('{{ span.first_day }}' as date)
        and {{ column }} <= cast('{{ span.last_day }}' as date)
    {%- else -%}
        {{ column }} >= {{ as_instant("'" ~ span.starts_at ~ "'") }} - interval '{{ hours }}' hour
        and {{ column }} < {{ as_instant("'" ~ span.ends_at ~ "'") }} + interval '{{ hours }}' hour
    {%- endif -%}
{%- endmacro %}

{#- The stretch of the touched days, from the run's own table of them; none without any. Whoever asks
    stands on a model that is built of that table: dbt lets no test refer to it by itself. -#}
{% macro touched_span(days_of) -%}
    {%- set spans = [] -%}
    {%- set touched_days = adapter.get_relation(target.database, 'intermediate', days_of) -%}
    {%- if execute and touched_days -%}
        {%- set query -%}
            select
                min(usage_date) as first_day,
                max(usage_date) as last_day,
                {{ utc_text('min(starts_at)') }} as starts_at,
                {{ utc_text('max(ends_at)') }} as ends_at
            from {{ touched_days }}
        {%- endset -%}
        {%- for row in run_query(query) if row[0] is not none -%}
            {%- do spans.append({
                'first_day': row[0], 'last_day': row[1], 'starts_at': row[2], 'ends_at': row[3]
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(spans | first or none) }}
{%- endmacro %}

{#- The calls as the last run left them: what is found by them comes before this run's own. None where
    they are made anew. -#}
{% macro calls_before() -%}
    {%- if execute and has_processed_slices() -%}
        {%- set calls = adapter.get_relation(target.database, target.schema, 'calls') -%}
    {%- endif %}
    select
        {{ 'source_name' if calls else 'cast(null as string)' }} as source_name,
        {{ 'call_id' if calls else 'cast(null as string)' }} as call_id,
        {{ 'billed_at' if calls else as_instant('null') }} as billed_at
    {{ 'from ' ~ calls if calls else 'where false' }}
{%- endmacro %}

{#- The loads of slices that no run has taken in, as literals: a list that the database can hold
    against what it knows of each block of rows. It can be asked before any model is built. -#}
{% macro unprocessed_loads() -%}
    {%- set loads = ["''"] -%}
    {%- if execute -%}
        {%- set query -%}
            select distinct load_id
            from ({{ union_of_ledgers() }}) as ledgers
            where
                (slice_id, load_id) not in (
                    select slice_id, load_id from transform_state.processed_slices
                )
        {%- endset -%}
        {%- for row in run_query(query) -%}
            {%- do loads.append("'" ~ row[0] ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(loads | join(', ')) }}
{%- endmacro %}

{#- After a run that built everything, and whose tests found nothing: note the slices that it took in,
    but not those of a held source. -#}
{% macro note_processed_slices(results) -%}
    {%- set new_slices = ref('int_new_slices') -%}
    {%- set failed = results | selectattr('status', 'equalto', 'fail') | list -%}
    {%- if execute and not failed and not models_missing_from(built_in(results)) %}
    insert into transform_state.processed_slices
    select
        slice_id,
        load_id,
        current_timestamp
    from {{ new_slices }}
    where
        not ({{ is_held() }})
        and (slice_id, load_id) not in (
            select slice_id, load_id from transform_state.processed_slices
        )
    {%- endif -%}
{%- endmacro %}

{#- After a run that built everything: remember its settings. -#}
{% macro record_settings(results) -%}
    {%- if execute and not models_missing_from(built_in(results)) %}
    {%- set rows = [] -%}
    {%- for name, value in settings(settings_before()).items() -%}
        {%- do rows.append("('" ~ name ~ "', '" ~ value ~ "')") -%}
    {%- endfor %}
    {{ replace_rows('transform_state.settings', rows) }}
    {%- endif -%}
{%- endmacro %}

{#- What all tables must have been built with: the time zone, the models, seeds,
    snapshots and macros. A plain
    `dbt build`, which is not told the sum of the macros, takes that of the last run. -#}
{% macro settings(before) -%}
    {%- set checksums = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed', 'snapshot') -%}
        {%- do checksums.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {{ return({
        'reporting_timezone': var('reporting_timezone'),
        'models_checksum': local_md5(checksums | sort | join),
        'macros_checksum': macros_checksum() or before.get('macros_checksum', ''),
    }) }}
{%- endmacro %}

{#- What the tables were built with, by name. -#}
{% macro settings_before() -%}
    {%- set before = {} -%}
    {%- for row in run_query('select name, value from transform_state.settings') -%}
        {%- do before.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return(before) }}
{%- endmacro %}

{% macro built_in(results) -%}
    {%- set built = [] -%}
    {%- for result in results if result.status == 'success' -%}
        {%- do built.append(result.node.unique_id) -%}
    {%- endfor -%}
    {{ return(built) }}
{%- endmacro %}

{#- The models that a run does not build, but for views that it leaves out as they stand. -#}
{% macro models_missing_from(unique_ids) -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- set stands = leaves_out_views() and node.config.materialized == 'view' -%}
        {%- if node.unique_id not in unique_ids and not stands -%}
            {%- do missing.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro %}
