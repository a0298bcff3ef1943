-- Grain: one row per billed call of a model.
-- Key: call_id, made of what the row says and its number among equal rows.
-- Inputs: the call rows, the models of that time for their display names.
-- Rule: display text never stands for a model; the model asked for does then.
with details as (
    select
        *,
        {{ fingerprint([
            'asked_model',
            'id',
            'call_time_raw',
            'total_token_usage',
            'input_token_usage',
            'output_token_usage',
            'search_usage',
            'page_usage',
            'model_name',
            'call_type',
            'uin_account',
            'app_name',
            'sub_scene',
            'billing_tag',
        ]) }} as fingerprint
    from {{ source('tencent_lke', 'usage_call_details') }}
),

-- Equal rows are interchangeable, so that any order numbers them alike at every reading.
numbered as (
    select
        *,
        row_number() over (
            -- By time too, which the fingerprint has: so only days asked for are read.
            partition by source_name, call_time, fingerprint
            order by window_start, row_in_window
        ) as number_among_equals
    from details
),

models as (
    select * from {{ ref('stg_tencent_lke__models') }}
),

display_names as (
    select * from {{ ref('stg_tencent_lke__display_names') }}
),

final as (
    select
        numbered.source_name || ':' || numbered.fingerprint
        || ':' || numbered.number_among_equals as call_id,
        'tencent_lke' as vendor,
        numbered.source_name,
        'tencent_cloud.lke' as provider_name,
        nullif(numbered.uin_account, '') as account_id,
        nullif(numbered.app_name, '') as app_name,
        null as api_key_name,
        case when asked.model_category = 'embedding' then 'embeddings' end
            as operation_name,
        numbered.asked_model as request_model,
        case
            when display_names.display_name is not null then display_names.model_name
            when {{ is_identifier('numbered.model_name') }} then numbered.model_name
        end as response_model,
        null as called_at,
        numbered.call_time as finished_at,
        numbered.call_time as billed_at,
        null as status_code,
        null as error_type,
        numbered.input_token_usage as input_tokens,
        numbered.output_token_usage as output_tokens,
        numbered.total_token_usage as total_tokens,
        null as cache_read_input_tokens,
        null as cache_creation_input_tokens,
        null as reasoning_output_tokens,
        null as audio_input_tokens,
        null as image_input_tokens,
        null as video_input_tokens,
        null as audio_output_tokens,
        null as image_output_tokens,
        null as image_count,
        null as web_search_count,
        null as request_count,
        null as latency_ms,
        null as time_to_first_chunk_ms,
        null as response_id,
        null as conversation_id,
        numbered.region,
        null as cost_reported,
        {{ no_reported_costs() }},
        null as currency,
        null as cost_kind,
        true as is_settled,
        {{ json_attributes({
            'associated_id': "nullif(numbered.id, '')",
            'call_type': "nullif(numbered.call_type, '')",
            'language': 'numbered.language',
            'returned_model_name': "nullif(numbered.model_name, '')",
            'sub_scene': "nullif(numbered.sub_scene, '')",
            'search_count': 'numbered.search_usage',
            'page_count': "case when numbered.sub_scene <> '' then numbered.page_usage end",
            'billing_tag': "nullif(nullif(numbered.billing_tag, 'null'), '')",
        }) }} as attributes,
        numbered._dlt_load_id as load_id
    from numbered
    left join models as asked
        on
            numbered.source_name = asked.source_name
            and numbered.asked_model = asked.model_name
            and {{ held_at('asked', 'numbered.call_time') }}
    left join display_names
        on
            numbered.source_name = display_names.source_name
            and numbered.model_name = display_names.display_name
            and {{ held_at('display_names', 'numbered.call_time') }}
)

select * from final
