-- Grain: one row per call row whose model is known, or what its display name stands for.
-- Key: none.
-- Rule: load_id is the load that told it, not that of the row.
with models as (
    select * from {{ ref('stg_tencent_lke__models') }}
),

display_names as (
    select * from {{ ref('stg_tencent_lke__display_names') }}
),

details as (
    select * from {{ source('tencent_lke', 'usage_call_details') }}
),

final as (
    select
        details.source_name,
        details.call_time as billed_at,
        models.load_id
    from models
    inner join details
        on
            models.source_name = details.source_name
            and models.model_name = details.asked_model
            and {{ held_at('models', 'details.call_time') }}
    union all
    select
        details.source_name,
        details.call_time as billed_at,
        display_names.load_id
    from display_names
    inner join details
        on
            display_names.source_name = details.source_name
            and display_names.display_name = details.model_name
            and {{ held_at('display_names', 'details.call_time') }}
)

select * from final
