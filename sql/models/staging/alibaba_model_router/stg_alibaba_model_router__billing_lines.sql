-- Grain: one row per billing line.
-- Key: source_name, scope, window_start, window_end, row_in_window.
-- Inputs: the billing lines, the log rows, the models as they were then.
-- Rule: a line belongs to a log row of the hour before or after it where requestId names
-- one of each, else to none.
with billing_details as (
    select
        *,
        nullif(request_id, '') as billed_request_id
    from {{ source('alibaba_model_router', 'billing_details') }}
),

logs as (
    select * from {{ source('alibaba_model_router', 'observation_logs') }}
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

final as (
    select
        billing_details.*,
        pairs.log_id,
        -- A model without a billing rule is billed at 0: what it cost is not known, as
        -- little as for a model that no list had.
        case
            when billing_details.amount <> 0 or models.has_billing_rule
                then cast(billing_details.amount as decimal(38, 12))
        end as cost
    from billing_details
    left join pairs
        on
            billing_details.source_name = pairs.source_name
            and billing_details.scope = pairs.scope
            and billing_details.window_start = pairs.window_start
            and billing_details.window_end = pairs.window_end
            and billing_details.row_in_window = pairs.row_in_window
            and pairs.logs_of_line = 1
            and pairs.lines_of_log = 1
    left join models
        on
            billing_details.source_name = models.source_name
            and billing_details.base_url = models.base_url
            and billing_details.model_id = models.model_id
            and {{ held_at('models', 'billing_details.request_time') }}
)

select * from final
