-- Grain: one row per call that the gateway logged, failed ones included.
-- Key: source_name, base_url, id.
-- Rule: a log row without a status code is judged by its word alone.
with logs as (
    select
        *,
        coalesce(status_code between 200 and 299, true) as is_good_code,
        lower(nullif(status, '')) as outcome
    from {{ source('alibaba_model_router', 'observation_logs') }}
),

final as (
    select
        *,
        nullif(model_code, '') as request_model,
        case
            when not is_good_code and status_code <> 0 then cast(status_code as string)
            when outcome = 'success' then null
            when outcome is null and status_code <> 0 then null
            else coalesce(outcome, '_OTHER')
        end as error_type
    from logs
)

select * from final
