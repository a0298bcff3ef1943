-- The calls and the rows of unmatched money hold together what ModelRouter's lines cost.
-- A line and its call are up to an hour apart, so not always of the same day.
with near_lines as (
    select * from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where
        cost is not null
        and not ({{ is_held() }})
        and {{ tested('request_time', hours=1) }}
),

logs as (
    select
        source_name,
        base_url,
        log_id as id,
        billed_date
    from near_lines
    where log_id is not null
),

billed_calls as (
    select
        {{ call_id('alibaba_model_router', 'logs') }} as call_id,
        logs.billed_date
    from logs
),

near_calls as (
    select
        call_id,
        source_name,
        billed_at,
        currency,
        cost_reported
    from {{ ref('stg_alibaba_model_router__calls') }}
    where
        cost_reported is not null
        and not ({{ is_held() }})
        and {{ tested('billed_at', hours=1) }}
),

compared as (
    select
        source_name,
        currency,
        cost
    from near_lines
    where {{ tested('billed_date') }}
    union all
    select
        source_name,
        currency,
        -cost_reported as cost
    from near_calls
    where
        call_id in (
            select billed_calls.call_id
            from billed_calls
            where {{ tested('billed_calls.billed_date') }}
        )
    union all
    select
        source_name,
        currency,
        -cost_reported as cost
    from {{ ref('stg_alibaba_model_router__usage_buckets') }}
    where
        not ({{ is_held() }})
        and {{ tested('bucket_start') }}
),

final as (
    select
        source_name,
        currency,
        sum(cost) as lost
    from compared
    group by source_name, currency
    having sum(cost) <> 0
    union all
    -- What no line says.
    select
        source_name,
        currency,
        -cost_reported as lost
    from near_calls
    where
        call_id not in (select billed_calls.call_id from billed_calls)
        and {{ tested('billed_at') }}
)

select * from final
