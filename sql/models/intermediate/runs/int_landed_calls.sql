-- Grain: one row per call that a load brought which no run has taken in yet.
-- Key: call_id.
-- Inputs: the tables whose rows are merged on an id, so that one may have moved.
-- Rule: a table whose windows are replaced has no row outside of them, and is not here.
{{ config(materialized='view_of_run') }}

with final as (
    select
        logs.source_name,
        {{ call_id('aiproxy', 'logs') }} as call_id,
        logs.created_at as billed_at
    from {{ source('aiproxy', 'logs') }} as logs
    where logs._dlt_load_id in ({{ unprocessed_loads() }})
    union all
    select
        logs.source_name,
        {{ call_id('alibaba_model_router', 'logs') }} as call_id,
        logs.request_time as billed_at
    from {{ source('alibaba_model_router', 'observation_logs') }} as logs
    where logs._dlt_load_id in ({{ unprocessed_loads() }})
    {%- for calls in staged('calls', but_of=[
        'aiproxy', 'alibaba_model_router', 'tencent_lke'
    ]) %}
        union all
        select
            source_name,
            call_id,
            billed_at
        from {{ calls }}
        where load_id in ({{ unprocessed_loads() }})
    {%- endfor %}
)

select * from final
