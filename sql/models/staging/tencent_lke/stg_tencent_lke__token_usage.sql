-- Grain: one row per model, stretch of a local day and sub-business type.
-- Key: source_name, request_model, window_start, sub_biz_type.
-- Inputs: the vendor's own totals, against which its call rows are checked.
-- Rule: sub_biz_type NULL is the total of all types, those without a name included; the
-- total of all models, by which audits go, has no model and is not here.
with token_usage as (
    select * from {{ source('tencent_lke', 'token_usage') }}
    where asked_model is not null
),

final as (
    select
        source_name,
        asked_model as request_model,
        sub_biz_type,
        window_start,
        window_end,
        timezone as reporting_timezone,
        region,
        api_call_stats as calls,
        input_token_usage as input_tokens,
        output_token_usage as output_tokens,
        total_token_usage as total_tokens,
        {{ whole_number('search_usage') }} as search_count,
        case when sub_biz_type = 'FileParse' then page_usage end as page_count,
        _dlt_load_id as load_id
    from token_usage
)

select * from final
