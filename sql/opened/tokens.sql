-- Grain: one row per local day, team, source, provider, account, app, API key and model,
-- of the sources that count in totals.
-- Key: all of these; one that is not known is NULL.
-- Rule: every measure may be summed over all rows.
with daily_tokens as (
    select * from detail.daily_tokens
),

daily_costs_converted as (
    select * from detail.daily_costs_converted
),

-- Every row of daily_tokens has at least one here, priced or not.
teams as (
    select distinct
        usage_date,
        source_name,
        account_id,
        app_name,
        api_key_name,
        team
    from daily_costs_converted
),

final as (
    select
        daily_tokens.usage_date,
        teams.team,
        daily_tokens.source_name,
        daily_tokens.provider_name,
        daily_tokens.account_id,
        daily_tokens.app_name,
        daily_tokens.api_key_name,
        daily_tokens.model,
        daily_tokens.calls,
        daily_tokens.errors,
        daily_tokens.input_tokens,
        daily_tokens.output_tokens,
        daily_tokens.total_tokens,
        daily_tokens.cache_read_input_tokens,
        daily_tokens.cache_creation_input_tokens,
        daily_tokens.reasoning_output_tokens,
        daily_tokens.calls_without_tokens,
        daily_tokens.cache_known_input_tokens,
        daily_tokens.reasoning_known_output_tokens
    from daily_tokens
    left join teams
        on
            daily_tokens.usage_date is not distinct from teams.usage_date
            and daily_tokens.source_name = teams.source_name
            and daily_tokens.account_id is not distinct from teams.account_id
            and daily_tokens.app_name is not distinct from teams.app_name
            and daily_tokens.api_key_name is not distinct from teams.api_key_name
    where daily_tokens.counts_in_totals
)

select * from final
