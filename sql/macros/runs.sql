{#- Which days a run rebuilds.

    A slice of a load that a run has taken in is marked in transform_state.processed_slices, but
    only when every model of the project was built: a failed or killed run marks nothing, so that
    the next one redoes its days and more. Without any mark, every day is rebuilt in place. That is
    how a changed time zone, model or seed, and --full-refresh, reach the days long closed. -#}

{#- Before a run: forget all marks if the tables were built with something else. -#}
{% macro forget_marks_if_changed() -%}
    {%- if execute -%}
        {%- set now = built_with() -%}
        {%- set before = {} -%}
        {%- for row in run_query('select name, value from transform_state.built_with') -%}
            {%- do before.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- if builds_every_model(selected_resources) -%}
            {%- if before != now or flags.FULL_REFRESH -%}
    delete from transform_state.processed_slices
            {%- endif -%}
        {%- elif before.get('reporting_timezone', now.reporting_timezone)
            != now.reporting_timezone -%}
            {{ exceptions.raise_compiler_error(
                "reporting_timezone was " ~ before.reporting_timezone ~ " and is now "
                ~ now.reporting_timezone ~ ": build the whole project, without --select"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Before an incremental model inserts the rows of the touched days: take their old ones out.
    `day` is the model's column of the local day; with `every_source` a row sums all sources. -#}
{% macro delete_touched_days(day, every_source=false) -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where
        not exists (select 1 from transform_state.processed_slices)
        {%- if every_source %}
        or {{ day }} in (select usage_date from {{ ref('int_touched_days') }})
        {%- else %}
        or (source_name, {{ day }}) in (
            select (source_name, usage_date) from {{ ref('int_touched_days') }}
        )
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#- After a run: mark the slices that it took in, if it built everything. -#}
{% macro mark_slices(results) -%}
    {%- set new_slices = ref('int_new_slices') -%}
    {%- if execute and built_every_model(results) %}
    insert into transform_state.processed_slices
    select slice_id, load_id, current_timestamp from {{ new_slices }}
    where (slice_id, load_id) not in (
        select (slice_id, load_id) from transform_state.processed_slices
    )
    {%- endif -%}
{%- endmacro %}

{#- After a run: remember what the tables were built with, if it built everything. -#}
{% macro record_built_with(results) -%}
    {%- if execute and built_every_model(results) %}
    delete from transform_state.built_with;
    insert into transform_state.built_with values
        {%- for name, value in built_with().items() %}
        ('{{ name }}', '{{ value }}'){{ "," if not loop.last }}
        {%- endfor %}
    {%- endif -%}
{%- endmacro %}

{#- The time zone, and a checksum of all models and seeds. -#}
{% macro built_with() -%}
    {%- set checksums = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
        {%- do checksums.append(node.unique_id ~ node.checksum.checksum) -%}
    {%- endfor -%}
    {{ return({
        'reporting_timezone': var('reporting_timezone'),
        'models': local_md5(checksums | sort | join),
    }) }}
{%- endmacro %}

{% macro built_every_model(results) -%}
    {%- set built = [] -%}
    {%- for result in results if result.status == 'success' -%}
        {%- do built.append(result.node.unique_id) -%}
    {%- endfor -%}
    {{ return(builds_every_model(built)) }}
{%- endmacro %}

{% macro builds_every_model(unique_ids) -%}
    {%- set missing = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- do missing.append(node.unique_id) if node.unique_id not in unique_ids -%}
    {%- endfor -%}
    {{ return(not missing) }}
{%- endmacro %}
