-- The calls and the rows of unmatched money hold together what ModelRouter's lines cost.
-- A line and its call are up to an hour apart, so not always of the same day.
with lines as (
    select * from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where
        cost is not null
        and not ({{ is_held() }})
        and {{ tested('billed_date') }}
),

logs as (
    select
        source_name,
        base_url,
        log_id as id
    from lines
    where log_id is not null
),

billed_calls as (
    select {{ call_id('alibaba_model_router', 'logs') }} as call_id
    from logs
),

calls as (
    select
        call_id,
        source_name,
        currency,
        cost_reported
    from {{ ref('stg_alibaba_model_router__calls') }}
    where {{ tested(none, 'billed_at', hours=1) }}
),

carried as (
    select
        source_name,
        currency,
        cost_reported
    from calls
    where call_id in (select billed_calls.call_id from billed_calls)
    union all
    select
        source_name,
        currency,
        cost_reported
    from {{ ref('stg_alibaba_model_router__usage_buckets') }}
    where
        not ({{ is_held() }})
        and {{ tested('bucket_start') }}
),

compared as (
    select
        source_name,
        currency,
        cost
    from lines
    union all
    select
        source_name,
        currency,
        -cost_reported as cost
    from carried
),

final as (
    select
        source_name,
        currency,
        sum(cost) as lost
    from compared
    group by source_name, currency
    having sum(cost) <> 0
)

select * from final
