-- Grain: one row per month, team and currency with a budget or a cost.
-- Key: month, team, currency.
-- Inputs: the month of each team, the costs and rates of its days.
-- Rule: what is spent is converted at the rate of its day, all else at the newest rate of
-- the month; without one it is NULL.
with month_to_date as (
    select * from detail.month_to_date
),

team_costs as (
    select * from detail.team_costs
),

daily_exchange_rates as (
    select * from detail.daily_exchange_rates
),

publications as (
    select * from history.publications
),

newest as (
    select * from publications
    qualify recorded_at = max(recorded_at) over ()
),

reporting as (
    select max(reporting_currency) as reporting_currency from newest
),

budgeted as (
    select * from month_to_date
    where currency is not null
),

-- Complete days of sources that count, as in month_to_date.
spent as (
    select
        cast(date_trunc('month', team_costs.usage_date) as date) as month,
        team_costs.team,
        team_costs.currency,
        case
            when count(*) = count(team_costs.cost_in_reporting_currency)
                then sum(team_costs.cost_in_reporting_currency)
        end as converted
    from team_costs
    inner join newest on team_costs.source_name = newest.source_name
    where
        team_costs.counts_in_totals
        and team_costs.cost is not null
        and team_costs.usage_date <= newest.last_complete_date
    group by
        cast(date_trunc('month', team_costs.usage_date) as date),
        team_costs.team,
        team_costs.currency
),

months as (
    select distinct
        month,
        through_date
    from month_to_date
),

rates as (
    select
        months.month,
        daily_exchange_rates.currency,
        cast(
            arg_max(daily_exchange_rates.exchange_rate, daily_exchange_rates.usage_date)
            as decimal(18, 9)
        ) as rate
    from months
    inner join daily_exchange_rates
        on
            daily_exchange_rates.usage_date > months.through_date - 30
            and daily_exchange_rates.usage_date <= last_day(months.month)
    group by
        months.month,
        daily_exchange_rates.currency
),

converted as (
    select
        budgeted.*,
        reporting.reporting_currency,
        -- Nothing needs no rate.
        case when budgeted.spent = 0 then 0 else spent.converted end as spent_converted,
        case
            when budgeted.currency = reporting.reporting_currency then 1 else rates.rate
        end as rate
    from budgeted
    cross join reporting
    left join spent
        on
            budgeted.month = spent.month
            and budgeted.team = spent.team
            and budgeted.currency = spent.currency
    left join rates
        on
            budgeted.month = rates.month
            and budgeted.currency = rates.currency
),

added as (
    select
        *,
        try(cast(cast(budget as decimal(26, 9)) * rate as decimal(38, 12)))
            as budget_converted,
        case
            when expected_landing = spent then 0
            else
                try(cast(
                    cast(expected_landing - spent as decimal(26, 9)) * rate
                    as decimal(38, 12)
                ))
        end as expected_converted,
        case
            when lowest_landing = spent then 0
            else
                try(cast(
                    cast(lowest_landing - spent as decimal(26, 9)) * rate
                    as decimal(38, 12)
                ))
        end as lowest_converted,
        case
            when highest_landing = spent then 0
            else
                try(cast(
                    cast(highest_landing - spent as decimal(26, 9)) * rate
                    as decimal(38, 12)
                ))
        end as highest_converted
    from converted
),

final as (
    select
        month,
        team,
        through_date,
        budget,
        spent,
        lowest_landing,
        expected_landing,
        highest_landing,
        currency,
        budget_converted as budget_in_reporting_currency,
        cast(spent_converted as decimal(38, 12)) as spent_in_reporting_currency,
        cast(spent_converted + lowest_converted as decimal(38, 12))
            as lowest_landing_in_reporting_currency,
        cast(spent_converted + expected_converted as decimal(38, 12))
            as expected_landing_in_reporting_currency,
        cast(spent_converted + highest_converted as decimal(38, 12))
            as highest_landing_in_reporting_currency,
        reporting_currency
    from added
)

select * from final
