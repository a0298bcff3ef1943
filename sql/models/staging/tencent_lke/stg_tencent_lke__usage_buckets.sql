-- Grain: one row per model and local day: the vendor's own total.
-- Key: bucket_id.
-- Inputs: the control totals; the source's role keeps them out of sums of its calls.
-- Rule: only days of the present reporting time zone, for those of another overlap them.
with token_usage as (
    select * from {{ ref('stg_tencent_lke__token_usage') }}
),

final as (
    select
        source_name || ':' || request_model || ':'
        || cast({{ local_date('window_start') }} as string) as bucket_id,
        'tencent_lke' as vendor,
        source_name,
        'tencent_cloud.lke' as provider_name,
        null as account_id,
        null as app_name,
        null as api_key_name,
        request_model,
        null as response_model,
        window_start as bucket_start,
        window_end as bucket_end,
        calls,
        null as errors,
        input_tokens,
        output_tokens,
        total_tokens,
        null as cache_read_input_tokens,
        null as cache_creation_input_tokens,
        null as reasoning_output_tokens,
        null as cost_reported,
        null as currency,
        null as cost_kind,
        load_id
    from token_usage
    where
        sub_biz_type is null
        and reporting_timezone = '{{ var("reporting_timezone") }}'
)

select * from final
