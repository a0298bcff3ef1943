-- Grain: one row per channel that an AI Proxy instance has now.
-- Key: source_name, channel_id.
-- Rule: a name from the settings wins; OpenAI's type at another host says nothing.
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
        case
            when channels.provider_name is not null then channels.provider_name
            -- Whatever speaks OpenAI's API is entered so, such as a vLLM of one's own.
            when
                channel_types.provider_name = 'openai'
                and coalesce(channels.host, 'api.openai.com') <> 'api.openai.com'
                then null
            else channel_types.provider_name
        end as provider_name
    from channels
    left join channel_types on channels.type = channel_types.channel_type
)

select * from final
