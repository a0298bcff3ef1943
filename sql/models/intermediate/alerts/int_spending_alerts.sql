-- Grain: one row per alert on money: spending, a budget, what has no price.
-- Key: all of rule, source_name, team, currency, usage_date and month.
-- Inputs: costs and budgets of sources that count in totals; limits of the settings.
-- Rule: the last seven complete days are looked at, and the months that they lie in.
with cost_drivers as (
    select * from {{ ref('cost_drivers') }}
),

daily_costs as (
    select * from {{ ref('daily_costs') }}
),

month_to_date as (
    select * from {{ ref('month_to_date') }}
),

complete_days as (
    select
        source_name,
        {{ first_alerted_day('last_day') }} as alerted_from,
        last_day
    from {{ ref('int_complete_days') }}
    where
        counts_in_totals
        and last_day >= first_day
),

known as (
    select {{ month_start('max(alerted_from)') }} as first_month
    from complete_days
),

spent_days as (
    select
        cost_drivers.source_name,
        cost_drivers.currency,
        cost_drivers.usage_date,
        sum(cost_drivers.cost) as cost,
        sum(cost_drivers.baseline_cost) as baseline_cost
    from cost_drivers
    inner join complete_days
        on
            cost_drivers.source_name = complete_days.source_name
            and cost_drivers.usage_date >= complete_days.alerted_from
    where cost_drivers.baseline_date is not null
    group by
        cost_drivers.source_name,
        cost_drivers.currency,
        cost_drivers.usage_date
),

held_against_weekdays as (
    select
        *,
        {{ converted(
            'baseline_cost', 'cast(' ~ var('alert_spend_factor') ~ ' as decimal(18, 6))'
        ) }} as threshold
    from spent_days
),

steps as (
    select {{ each_number(var('alert_budget_steps')) }} as step
),

budgeted as (
    select month_to_date.*
    from month_to_date
    cross join known
    where
        month_to_date.month >= known.first_month
        and month_to_date.budget is not null
),

passed_steps as (
    select
        budgeted.team,
        budgeted.currency,
        budgeted.month,
        max(steps.step) as step
    from budgeted
    cross join steps
    where budgeted.spent > {{ proportion('budgeted.budget', 'steps.step', 100) }}
    group by
        budgeted.team,
        budgeted.currency,
        budgeted.month
),

used_tokens as (
    select
        daily_costs.source_name,
        complete_days.last_day,
        min(daily_costs.usage_date) as first_day,
        cast(coalesce(sum(daily_costs.unpriced_tokens), 0) as bigint) as unpriced_tokens,
        cast(
            coalesce(sum(daily_costs.priced_tokens), 0)
            + coalesce(sum(daily_costs.unpriced_tokens), 0) as bigint
        ) as tokens
    from daily_costs
    inner join complete_days
        on
            daily_costs.source_name = complete_days.source_name
            and daily_costs.usage_date >= complete_days.alerted_from
            and daily_costs.usage_date <= complete_days.last_day
    group by
        daily_costs.source_name,
        complete_days.last_day
),

unpriced_shares as (
    select
        *,
        {{ proportion('cast(1 as decimal(38, 12))', 'unpriced_tokens', 'tokens') }}
            as share,
        cast({{ var('alert_unpriced_percent') }} as decimal(18, 6))
        * cast(0.01 as decimal(3, 2)) as threshold
    from used_tokens
    where tokens > 0
),

final as (
    select
        'spend' as rule,
        source_name,
        cast(null as string) as team,
        currency,
        usage_date,
        cast(null as date) as month,
        'cost' as measure,
        cast(cost as decimal(38, 12)) as value,
        cast(threshold as decimal(38, 12)) as threshold,
        source_name || ' cost ' || {{ money_text('cost') }} || ' ' || currency || ' on '
        || cast(usage_date as string)
        || ', more than {{ var("alert_spend_factor") }} times the '
        || {{ money_text('baseline_cost') }} || ' ' || currency
        || ' that this weekday usually costs' as message,
        'select model, cost, baseline_cost, cost_change, calls, baseline_calls '
        || 'from detail.cost_drivers where source_name = '
        || {{ literal_text('source_name') }}
        || ' and currency = ' || {{ literal_text('currency') }} || ' and usage_date = '
        || {{ literal_text('usage_date') }} || ' order by cost_change desc' as query
    from held_against_weekdays
    -- Less than half a cent reads as nothing.
    where cost > threshold and cast(cost as decimal(38, 2)) > 0
    union all
    select
        'budget' as rule,
        null as source_name,
        budgeted.team,
        budgeted.currency,
        null as usage_date,
        budgeted.month,
        'spent' as measure,
        budgeted.spent as value,
        {{ proportion('budgeted.budget', 'passed_steps.step', 100) }} as threshold,
        budgeted.team || ' spent ' || {{ money_text('budgeted.spent') }} || ' '
        || budgeted.currency || ' in ' || {{ month_text('budgeted.month') }}
        || ' through ' || cast(budgeted.through_date as string) || ', more than '
        || cast(passed_steps.step as string) || ' % of its budget of '
        || {{ money_text('budgeted.budget') }} || ' ' || budgeted.currency as message,
        'select source_name, model, sum(cost) as cost from costs where team = '
        || {{ literal_text('budgeted.team') }} || ' and currency = '
        || {{ literal_text('budgeted.currency') }}
        || ' and date_trunc(''month'', usage_date) = '
        || {{ literal_text('budgeted.month') }} || ' group by all order by cost desc'
            as query
    from budgeted
    inner join passed_steps
        on
            budgeted.team = passed_steps.team
            and budgeted.currency = passed_steps.currency
            and budgeted.month = passed_steps.month
    union all
    select
        'landing' as rule,
        null as source_name,
        team,
        currency,
        null as usage_date,
        month,
        'expected_landing' as measure,
        expected_landing as value,
        budget as threshold,
        team || ' is expected to spend ' || {{ money_text('expected_landing') }} || ' '
        || currency || ' in ' || {{ month_text('month') }} || ' (from '
        || {{ money_text('lowest_landing') }} || ' to '
        || {{ money_text('highest_landing') }} || '), more than its budget of '
        || {{ money_text('budget') }} || ' ' || currency as message,
        'from budgets where team = ' || {{ literal_text('team') }}
        || ' and currency = ' || {{ literal_text('currency') }} || ' and month = '
        || {{ literal_text('month') }} as query
    from budgeted
    -- Once it is spent, that is what there is to say.
    where expected_landing > budget and spent <= budget
    union all
    select
        'unpriced' as rule,
        source_name,
        null as team,
        null as currency,
        null as usage_date,
        null as month,
        'unpriced_tokens_ratio' as measure,
        share as value,
        threshold,
        source_name || ' has no price for ' || {{ percent_text('share') }} || ' of its '
        || cast(tokens as string) || ' tokens of ' || cast(first_day as string)
        || ' to ' || cast(last_day as string)
        || ', more than {{ var("alert_unpriced_percent") }} %' as message,
        'from detail.unpriced_usage where source_name = '
        || {{ literal_text('source_name') }}
        || ' and last_seen_date between ' || {{ literal_text('first_day') }}
        || ' and current_date order by total_tokens desc' as query
    from unpriced_shares
    where share > threshold
)

select * from final
