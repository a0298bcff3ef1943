-- Grain: one row per team and currency, for the rest of the month of the last complete day.
-- Key: team, currency.
-- Inputs: the team's costs of the 28 days up to then, less those before the first we know of.
-- Rule: a day to come costs the mean of its weekdays in them, from the cheapest to the
-- dearest; NULL where some weekday is not among them.
{{ config(schema='intermediate') }}

with team_costs as (
    select * from {{ ref('team_costs') }}
),

budgets as (
    select * from {{ ref('budgets') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

known as (
    select
        min(first_day) as first_day,
        max(last_day) as last_day
    from complete_days
    where counts_in_totals
),

past_days as (
    select
        {{ each_day(
            'greatest(first_day, cast(' ~ dbt.dateadd('day', -27, 'last_day') ~ ' as date))',
            'last_day',
        ) }} as usage_date
    from known
),

coming_days as (
    select
        {{ each_day(
            dbt.dateadd('day', 1, 'last_day'),
            dbt.last_day('last_day', 'month'),
        ) }} as usage_date
    from known
),

spenders as (
    select
        team,
        currency
    from team_costs
    where counts_in_totals and currency is not null
    union
    select
        team,
        currency
    from budgets
),

spent as (
    select
        team,
        currency,
        usage_date,
        sum(cost) as cost
    from team_costs
    where counts_in_totals and currency is not null
    group by
        team,
        currency,
        usage_date
),

weekdays as (
    select
        coming_days.usage_date as coming_day,
        past_days.usage_date as past_day
    from coming_days
    left join past_days
        on
            {{ dbt.datediff('past_days.usage_date', 'coming_days.usage_date', 'day') }} % 7
            = 0
),

expected as (
    select
        spenders.team,
        spenders.currency,
        weekdays.coming_day,
        count(weekdays.past_day) as days,
        cast(sum(coalesce(spent.cost, 0)) as decimal(38, 12)) as cost,
        min(coalesce(spent.cost, 0)) as lowest,
        max(coalesce(spent.cost, 0)) as highest
    from spenders
    cross join weekdays
    left join spent
        on
            spenders.team = spent.team
            and spenders.currency = spent.currency
            and weekdays.past_day = spent.usage_date
    group by
        spenders.team,
        spenders.currency,
        weekdays.coming_day
),

final as (
    select
        team,
        currency,
        case when min(days) > 0 then
            cast(sum({{ proportion('cost', 1, 'nullif(days, 0)') }}) as decimal(38, 12))
        end as expected,
        case when min(days) > 0 then cast(sum(lowest) as decimal(38, 12)) end as lowest,
        case when min(days) > 0 then cast(sum(highest) as decimal(38, 12)) end as highest
    from expected
    group by
        team,
        currency
)

select * from final
