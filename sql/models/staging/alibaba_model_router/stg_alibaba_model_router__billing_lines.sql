-- Grain: one row per billing line.
-- Key: source_name, window_start, row_in_window.
-- Inputs: the billing lines, the log rows, the present models.
-- Rule: a line belongs to a log row where requestId names one of each, else to none.
with billing_details as (
    select
        *,
        nullif(request_id, '') as billed_request_id
    from {{ source('alibaba_model_router', 'billing_details') }}
),

models as (
    select * from {{ source('alibaba_model_router', 'models') }}
),

log_ids as (
    select
        source_name,
        base_url,
        request_id,
        min(id) as log_id
    from {{ source('alibaba_model_router', 'observation_logs') }}
    group by source_name, base_url, request_id
    having count(*) = 1
),

line_ids as (
    select
        source_name,
        base_url,
        billed_request_id
    from billing_details
    group by source_name, base_url, billed_request_id
    having count(*) = 1
),

final as (
    select
        billing_details.*,
        case when line_ids.billed_request_id is not null then log_ids.log_id end
            as log_id,
        -- A model without a billing rule is billed at 0: what it cost is not known.
        case
            when billing_details.amount <> 0 or coalesce(models.has_billing_rule, true)
                then cast(billing_details.amount as decimal(38, 12))
        end as cost
    from billing_details
    left join line_ids
        on
            billing_details.source_name = line_ids.source_name
            and billing_details.base_url = line_ids.base_url
            and billing_details.billed_request_id = line_ids.billed_request_id
    left join log_ids
        on
            billing_details.source_name = log_ids.source_name
            and billing_details.base_url = log_ids.base_url
            and billing_details.billed_request_id = log_ids.request_id
    left join models
        on
            billing_details.source_name = models.source_name
            and billing_details.base_url = models.base_url
            and billing_details.model_id = models.id
)

select * from final
