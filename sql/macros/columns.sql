{#- What a vendor's staging offers to the marts: the columns of stg_<vendor>__calls and
    stg_<vendor>__usage_buckets, with the types that the marts have. NULL = not known. -#}

{% macro call_columns() -%}
    {{ return({
        'call_id': 'string',
        'vendor': 'string',
        'source_name': 'string',
        'provider_name': 'string',
        'account_id': 'string',
        'app_name': 'string',
        'api_key_name': 'string',
        'operation_name': 'string',
        'request_model': 'string',
        'response_model': 'string',
        'called_at': instant_type(),
        'finished_at': instant_type(),
        'billed_at': instant_type(),
        'status_code': 'integer',
        'error_type': 'string',
        'input_tokens': 'bigint',
        'output_tokens': 'bigint',
        'total_tokens': 'bigint',
        'cache_read_input_tokens': 'bigint',
        'cache_creation_input_tokens': 'bigint',
        'reasoning_output_tokens': 'bigint',
        'audio_input_tokens': 'bigint',
        'image_input_tokens': 'bigint',
        'video_input_tokens': 'bigint',
        'audio_output_tokens': 'bigint',
        'image_output_tokens': 'bigint',
        'image_count': 'bigint',
        'web_search_count': 'bigint',
        'request_count': 'integer',
        'latency_ms': 'bigint',
        'time_to_first_chunk_ms': 'bigint',
        'response_id': 'string',
        'conversation_id': 'string',
        'region': 'string',
        'cost_reported': 'decimal(38, 12)',
        'input_cost_reported': 'decimal(38, 12)',
        'output_cost_reported': 'decimal(38, 12)',
        'cache_read_cost_reported': 'decimal(38, 12)',
        'cache_creation_cost_reported': 'decimal(38, 12)',
        'audio_input_cost_reported': 'decimal(38, 12)',
        'image_input_cost_reported': 'decimal(38, 12)',
        'video_input_cost_reported': 'decimal(38, 12)',
        'audio_output_cost_reported': 'decimal(38, 12)',
        'image_output_cost_reported': 'decimal(38, 12)',
        'web_search_cost_reported': 'decimal(38, 12)',
        'request_cost_reported': 'decimal(38, 12)',
        'currency': 'string',
        'cost_kind': 'string',
        'is_settled': 'boolean',
        'attributes': 'string',
        'load_id': 'string',
    }) }}
{%- endmacro %}

{% macro usage_bucket_columns() -%}
    {{ return({
        'bucket_id': 'string',
        'vendor': 'string',
        'source_name': 'string',
        'provider_name': 'string',
        'account_id': 'string',
        'app_name': 'string',
        'api_key_name': 'string',
        'request_model': 'string',
        'response_model': 'string',
        'bucket_start': instant_type(),
        'bucket_end': instant_type(),
        'calls': 'bigint',
        'errors': 'bigint',
        'input_tokens': 'bigint',
        'output_tokens': 'bigint',
        'total_tokens': 'bigint',
        'cache_read_input_tokens': 'bigint',
        'cache_creation_input_tokens': 'bigint',
        'reasoning_output_tokens': 'bigint',
        'cost_reported': 'decimal(38, 12)',
        'currency': 'string',
        'cost_kind': 'string',
        'load_id': 'string',
    }) }}
{%- endmacro %}

{#- The id of the call that a row of a merged table is: what the rows are merged on. -#}
{% macro call_id(vendor, relation) -%}
    {%- set key = {
        'aiproxy': ['source_name', 'id'],
        'alibaba_model_router': ['source_name', 'base_url', 'id'],
    }[vendor] -%}
    {{ relation }}.{{ key | join(" || ':' || " ~ relation ~ ".") }}
{%- endmacro %}

{#- All rows of `relations`, each column by its name and cast to its type; no row, but every
    column, where there is no relation yet. -#}
{% macro union_of(relations, columns) -%}
    {%- for relation in relations %}
    select
        {%- for name, type in columns.items() %}
        cast({{ name }} as {{ type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    {{ "union all" if not loop.last }}
    {%- else %}
    select
        {%- for name, type in columns.items() %}
        cast(null as {{ type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    where false
    {%- endfor %}
{%- endmacro %}

{#- The six token counts, summed. A sum of only NULL stays NULL. -#}
{% macro sum_tokens() -%}
    {%- for name in [
        'input_tokens',
        'output_tokens',
        'total_tokens',
        'cache_read_input_tokens',
        'cache_creation_input_tokens',
        'reasoning_output_tokens',
    ] %}
    cast(sum({{ name }}) as bigint) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The ledgers of all vendors: each dbt source that has a table load_ledger; without the slices of a
    held source that are not published. -#}
{% macro union_of_ledgers() -%}
    {%- set ledgers = [] -%}
    {%- if execute -%}
        {%- for table in graph.sources.values() if table.name == 'load_ledger' -%}
            {%- do ledgers.append(table) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for ledger in ledgers | sort(attribute='source_name') %}
    select
        '{{ ledger.source_name }}' as vendor,
        slice_id,
        run_id,
        run_kind,
        source_name,
        stream,
        scope,
        account_id,
        planned_scopes,
        window_start,
        window_end,
        row_count,
        reported_total,
        requests,
        retries,
        unknown_fields,
        read_started_at,
        read_finished_at,
        _dlt_load_id as load_id
    from {{ ledger.relation_name }}
    {%- if held_sources() %}
    where
        (slice_id, _dlt_load_id) not in (
            select slice_id, load_id from {{ source('last_good', 'slices') }}
        )
    {%- endif %}
    {{ "union all" if not loop.last }}
    {%- endfor %}
{%- endmacro %}
