-- Grain: one row per source, local day and currency of its billing lines.
-- Key: source_name, usage_date, currency.
-- Inputs: the billing lines with the log row of each, the log rows.
-- Rule: a day without any billing line has NULL for what only lines can say.
with billing_lines as (
    select
        *,
        billed_date as usage_date
    from {{ ref('stg_alibaba_model_router__billing_lines') }}
),

logs as (
    select
        *,
        {{ local_date('request_time') }} as usage_date
    from {{ ref('stg_alibaba_model_router__logs') }}
),

billed as (
    select
        source_name,
        usage_date,
        currency,
        count(*) as billing_lines,
        count(log_id) as matched_lines,
        sum(cast(amount as decimal(38, 12))) as amount,
        sum(case when log_id is null then cast(amount as decimal(38, 12)) else 0 end)
            as unmatched_amount,
        cast(
            sum(case when log_id is null then total_tokens else 0 end) as decimal(38, 0)
        ) as unmatched_tokens
    from billing_lines
    group by source_name, usage_date, currency
),

logged as (
    select
        source_name,
        usage_date,
        count(*) as calls,
        count(case when error_type is null then 1 end) as successful_calls
    from logs
    group by source_name, usage_date
),

final as (
    select
        coalesce(billed.source_name, logged.source_name) as source_name,
        coalesce(billed.usage_date, logged.usage_date) as usage_date,
        billed.currency,
        coalesce(logged.calls, 0) as calls,
        coalesce(logged.successful_calls, 0) as successful_calls,
        coalesce(billed.billing_lines, 0) as billing_lines,
        coalesce(billed.matched_lines, 0) as matched_lines,
        cast(billed.matched_lines as double) / billed.billing_lines as match_ratio,
        billed.amount,
        billed.unmatched_amount,
        billed.unmatched_tokens
    from billed
    full outer join logged
        on
            billed.source_name = logged.source_name
            and billed.usage_date = logged.usage_date
)

select * from final
