-- Grain: one row per channel of an AI Proxy instance and time in which nothing changed.
-- Key: source_name, channel_id, valid_from.
-- Rule: a name from the settings wins, the present one also for the time before it was
-- given; OpenAI's type at another host says nothing.
with channels as (
    select
        *,
        {{ validity(['source_name', 'id']) }},
        row_number() over upstream as place,
        lag(provider_name) over upstream as provider_set_before
    from {{ ref('aiproxy_channels') }}
    -- An id that is used again for another upstream is another channel.
    window upstream as (
        partition by source_name, id, type, host order by dbt_valid_from nulls first
    )
),

channel_types as (
    select * from {{ ref('aiproxy_channel_types') }}
),

named as (
    select
        *,
        last_value(provider_name) over upstream as provider_set,
        max(
            case
                when place > 1 and provider_name is distinct from provider_set_before
                    then load_id
            end
        ) over upstream as set_by
    from channels
    window upstream as (
        partition by source_name, id, type, host order by dbt_valid_from nulls first
        rows between unbounded preceding and unbounded following
    )
),

final as (
    select
        named.source_name,
        named.id as channel_id,
        named.name as channel_name,
        named.type as channel_type,
        case
            when named.provider_set is not null then named.provider_set
            -- Whatever speaks OpenAI's API is entered so, such as a vLLM of one's own.
            when
                channel_types.provider_name = 'openai'
                and coalesce(named.host, 'api.openai.com') <> 'api.openai.com'
                then null
            else channel_types.provider_name
        end as provider_name,
        named.valid_from,
        named.valid_to,
        greatest(named.load_id, coalesce(named.set_by, named.load_id)) as load_id
    from named
    left join channel_types on named.type = channel_types.channel_type
)

select * from final
