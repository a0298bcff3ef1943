-- Grain: one row per team, currency, source and local day of which costs have moved.
-- Key: usage_date, source_name, team, currency.
-- Inputs: the versions of daily costs, those of this publication included.
-- Rule: what a consumer cost before moves with it from one team to another; what it costs
-- more or less since has another cause.
with changed_days as (
    select distinct
        usage.usage_date,
        usage.source_name,
        sources.recorded_at
    from compared_usage as usage
    inner join compared_sources as sources on usage.source_name = sources.source_name
),

costs as (
    select
        versions.*,
        versions.recorded_from < changed_days.recorded_at as was_published,
        versions.recorded_to is null as is_published
    from published.history.daily_costs_converted_history as versions
    inner join changed_days
        on
            versions.usage_date = changed_days.usage_date
            and versions.source_name = changed_days.source_name
    where
        versions.recorded_to is null
        or versions.recorded_to = changed_days.recorded_at
),

-- A consumer is of one team at a time.
consumers as (
    select
        usage_date,
        source_name,
        currency,
        max(case when was_published then team end) as old_team,
        max(case when is_published then team end) as new_team,
        sum(case when was_published then cost end) as moved
    from costs
    where currency is not null
    group by
        usage_date,
        source_name,
        currency,
        provider_name,
        account_id,
        app_name,
        api_key_name,
        model
),

moves as (
    select
        usage_date,
        source_name,
        currency,
        unnest([old_team, new_team]) as team,
        unnest([-moved, moved]) as difference
    from consumers
    where old_team <> new_team
),

teams as (
    select
        usage_date,
        source_name,
        currency,
        team,
        sum(case when was_published then cost end) as old_value,
        sum(case when is_published then cost end) as new_value
    from costs
    group by
        usage_date,
        source_name,
        currency,
        team
),

final as (
    select
        teams.usage_date,
        teams.source_name,
        teams.team,
        teams.currency,
        cast(teams.old_value as decimal(38, 12)) as old_value,
        cast(teams.new_value as decimal(38, 12)) as new_value,
        cast(sum(moves.difference) as decimal(38, 12)) as difference
    from moves
    inner join teams
        on
            moves.usage_date = teams.usage_date
            and moves.source_name = teams.source_name
            and moves.currency = teams.currency
            and moves.team = teams.team
    group by
        teams.usage_date,
        teams.source_name,
        teams.team,
        teams.currency,
        teams.old_value,
        teams.new_value
    having sum(moves.difference) <> 0
)

select * from final
