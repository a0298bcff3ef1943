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
    select
        logs.source_name,
        logs.created_at as billed_at,
        channels.load_id
    from channels
    inner join logs
        on
            channels.source_name = logs.source_name
            and channels.channel_id = logs.channel
            and {{ held_at('channels', 'logs.created_at') }}
)

select * from final
