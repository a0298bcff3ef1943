-- Grain: one row per log row whose channel is known.
-- Key: none.
-- Rule: load_id is the load that told what the channel is, not that of the row.
with channels as (
    select * from {{ ref('stg_aiproxy__channels') }}
),

logs as (
    select * from {{ source('aiproxy', 'logs') }}
),

final as (
    {{ uses_of('channels', 'logs', {'channel_id': 'channel'}, 'created_at') }}
)

select * from final
