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
    {{ uses_of('models', 'details', {'model_name': 'asked_model'}, 'call_time') }}
    union all
    {{ uses_of('display_names', 'details', {'display_name': 'model_name'}, 'call_time') }}
)

select * from final
