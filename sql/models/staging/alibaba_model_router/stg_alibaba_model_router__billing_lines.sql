-- Grain: one row per billing line.
-- Key: source_name, scope, window_start, window_end, row_in_window.
-- Inputs: the billing lines, the log rows, the models as they were then.
-- Rule: a line belongs to a log row of the hour before or after it where requestId names
-- one of each, else to none.

{#- A table: a view looks for the pairs of all of history each time that it is read. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'billed_date'],
    on_schema_change='sync_all_columns',
) }}

with touched_days as (
    select * from {{ ref('int_touched_days') }}
),

-- Whether a line is the only one of its log row depends on lines up to two hours away.
billing_details as (
    select
        *,
        {{ local_date('request_time') }} as billed_date,
        nullif(request_id, '') as billed_request_id
    from {{ source('alibaba_model_router', 'billing_details') }}
    {% if is_incremental() %}
        where {{ near_touched_days('request_time', hours=2) }}
    {% endif %}
),

logs as (
    select * from {{ source('alibaba_model_router', 'observation_logs') }}
    {% if is_incremental() %}
        where {{ near_touched_days('request_time', hours=1) }}
    {% endif %}
),

models as (
    select * from {{ ref('stg_alibaba_model_router__models') }}
),

pairs as (
    select
        billing_details.source_name,
        billing_details.scope,
        billing_details.window_start,
        billing_details.window_end,
        billing_details.row_in_window,
        logs.id as log_id,
        count(*) over (
            partition by
                billing_details.source_name,
                billing_details.scope,
                billing_details.window_start,
                billing_details.window_end,
                billing_details.row_in_window
        ) as logs_of_line,
        count(*) over (partition by logs.source_name, logs.base_url, logs.id)
            as lines_of_log
    from billing_details
    inner join logs
        on
            billing_details.source_name = logs.source_name
            and billing_details.base_url = logs.base_url
            and billing_details.billed_request_id = logs.request_id
            and {{ is_near('billing_details.request_time', 'logs.request_time') }}
),

touched as (
    select * from billing_details
    {% if is_incremental() %}
        where {{ in_touched_days('billed_date', 'request_time') }}
    {% endif %}
),

final as (
    select
        touched.source_name,
        touched.scope,
        touched.window_start,
        touched.window_end,
        touched.row_in_window,
        touched.base_url,
        touched.request_id,
        touched.request_time,
        touched.request_time_raw,
        touched.billed_date,
        touched.client_id,
        touched.member_user_id,
        touched.api_key_id,
        touched.model_code,
        touched.input_tokens,
        touched.output_tokens,
        touched.total_tokens,
        touched.cached_tokens,
        touched.cache_creation_tokens,
        touched.reasoning_tokens,
        touched.discount,
        touched.amount,
        touched.currency,
        pairs.log_id,
        -- A model without a billing rule is billed at 0: what it cost is not known, as
        -- little as for a model that no list had.
        case
            when touched.amount <> 0 or models.has_billing_rule
                then {{ as_cost('touched.amount') }}
        end as cost,
        touched._dlt_load_id as load_id
    from touched
    left join pairs
        on
            touched.source_name = pairs.source_name
            and touched.scope = pairs.scope
            and touched.window_start = pairs.window_start
            and touched.window_end = pairs.window_end
            and touched.row_in_window = pairs.row_in_window
            and pairs.logs_of_line = 1
            and pairs.lines_of_log = 1
    left join models
        on
            touched.source_name = models.source_name
            and touched.base_url = models.base_url
            and touched.model_id = models.model_id
            and {{ held_at('models', 'touched.request_time') }}
)

select * from final
