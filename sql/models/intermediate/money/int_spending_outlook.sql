-- Grain: one row per team and currency that spent in the last four weeks.
-- Key: team, currency.
-- Inputs: what each team spent by source on the complete days of those weeks.
-- Rule: a day of this month that is to come, or that a late source has not told, costs
-- the mean of its weekdays in them, source by source; NULL where one lacks some weekday.
with team_costs as (
    select * from {{ ref('team_costs') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

known as (
    select
        max(last_day) as last_day,
        {{ days_after('max(last_day)', -27) }} as first_day
    from complete_days
    where counts_in_totals
),

past_days as (
    select
        complete_days.source_name,
        {{ each_day(
            'greatest(complete_days.first_day, known.first_day)', 'complete_days.last_day'
        ) }} as usage_date
    from complete_days
    cross join known
    where complete_days.counts_in_totals
),

coming_days as (
    select
        complete_days.source_name,
        {{ each_day(
            'greatest(' ~ days_after('complete_days.last_day', 1) ~ ', '
            ~ month_start('known.last_day') ~ ')',
            month_end('known.last_day'),
        ) }} as usage_date
    from complete_days
    cross join known
    where complete_days.counts_in_totals
),

spent as (
    select
        team_costs.team,
        team_costs.currency,
        team_costs.source_name,
        team_costs.usage_date,
        sum(team_costs.cost) as cost
    from team_costs
    inner join past_days
        on
            team_costs.source_name = past_days.source_name
            and team_costs.usage_date = past_days.usage_date
    where team_costs.currency is not null
    group by
        team_costs.team,
        team_costs.currency,
        team_costs.source_name,
        team_costs.usage_date
),

spenders as (
    select distinct
        team,
        currency,
        source_name
    from spent
),

expected as (
    select
        spenders.team,
        spenders.currency,
        spenders.source_name,
        coming_days.usage_date,
        count(past_days.usage_date) as days,
        cast(sum(coalesce(spent.cost, 0)) as decimal(38, 12)) as cost,
        min(coalesce(spent.cost, 0)) as lowest,
        max(coalesce(spent.cost, 0)) as highest
    from spenders
    inner join coming_days on spenders.source_name = coming_days.source_name
    left join past_days
        on
            spenders.source_name = past_days.source_name
            and {{ days_between('past_days.usage_date', 'coming_days.usage_date') }} % 7
            = 0
    left join spent
        on
            spenders.team = spent.team
            and spenders.currency = spent.currency
            and past_days.source_name = spent.source_name
            and past_days.usage_date = spent.usage_date
    group by
        spenders.team,
        spenders.currency,
        spenders.source_name,
        coming_days.usage_date
),

averaged as (
    select
        *,
        {{ proportion('cost', 1, 'nullif(days, 0)') }} as mean
    from expected
),

final as (
    select
        team,
        currency,
        case
            when min(days) > 0
                then cast(sum(mean) as decimal(38, 12))
        end as expected,
        case
            when min(days) > 0
                then cast(sum(lowest) as decimal(38, 12))
        end as lowest,
        case
            when min(days) > 0
                then cast(sum(highest) as decimal(38, 12))
        end as highest
    from averaged
    group by
        team,
        currency
)

select * from final
