-- Grain: one row per channel that an AI Proxy instance has now.
-- Key: source_name, channel_id.
-- Rule: a name from the settings wins over what the channel's type says.
with channels as (
    select * from {{ source('aiproxy', 'channels') }}
),

channel_types as (
    select * from {{ ref('aiproxy_channel_types') }}
),

final as (
    select
        channels.source_name,
        channels.id as channel_id,
        channels.name as channel_name,
        channels.type as channel_type,
        coalesce(channels.provider_name, channel_types.provider_name) as provider_name
    from channels
    left join channel_types on channels.type = channel_types.channel_type
)

select * from final
