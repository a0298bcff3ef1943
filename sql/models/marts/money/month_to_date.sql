-- Grain: one row per month, team and currency; what is unpriced has currency NULL.
-- Key: month, team, currency.
-- Inputs: costs that count in totals, the budgets, the outlook on the rest of the month.
-- Rule: complete days only, up to through_date; a month that is over lands at its sum and
-- at what its last days are expected to add, where a source is late.
with team_costs as (
    select * from {{ ref('team_costs') }}
),

budgets as (
    select * from {{ ref('budgets') }}
),

spending_outlook as (
    select * from {{ ref('int_spending_outlook') }}
),

complete_days as (
    select * from {{ ref('int_complete_days') }}
),

known as (
    select max(last_day) as last_day
    from complete_days
    where counts_in_totals
),

counted as (
    select
        {{ month_start('team_costs.usage_date') }} as month,
        team_costs.*
    from team_costs
    inner join complete_days on team_costs.source_name = complete_days.source_name
    where
        team_costs.counts_in_totals
        and team_costs.usage_date <= complete_days.last_day
),

months as (
    select distinct
        counted.month,
        least(known.last_day, {{ month_end('counted.month') }}) as through_date,
        {{ month_end('counted.month') }} as month_end
    from counted
    cross join known
    union
    select
        {{ month_start('last_day') }} as month,
        last_day as through_date,
        {{ month_end('last_day') }} as month_end
    from known
    where last_day is not null
),

spent as (
    select
        month,
        team,
        currency,
        cast(sum(cost) as decimal(38, 12)) as cost,
        cast(sum(priced_tokens) as bigint) as priced_tokens,
        cast(sum(unpriced_tokens) as bigint) as unpriced_tokens
    from counted
    group by
        month,
        team,
        currency
),

planned as (
    select
        months.month,
        budgets.team,
        budgets.currency,
        budgets.amount,
        row_number() over (
            partition by months.month, budgets.team, budgets.currency
            order by budgets.month nulls last
        ) as preference
    from months
    inner join budgets on coalesce(budgets.month, months.month) = months.month
),

pairs as (
    select
        month,
        team,
        currency
    from spent
    union
    select
        month,
        team,
        currency
    from planned
    union
    -- Who spent before, and not yet in this month.
    select
        months.month,
        spending_outlook.team,
        spending_outlook.currency
    from months
    inner join known on months.through_date = known.last_day
    cross join spending_outlook
),

combined as (
    select
        pairs.month,
        pairs.team,
        pairs.currency,
        months.through_date,
        months.month_end,
        planned.amount as budget,
        -- Nobody spends for a team that has only a budget.
        pairs.currency is not null and spending_outlook.team is null as is_at_rest,
        spending_outlook.expected,
        spending_outlook.lowest,
        spending_outlook.highest,
        coalesce(
            spent.cost,
            case when pairs.currency is not null then cast(0 as decimal(38, 12)) end
        ) as spent,
        coalesce(spent.priced_tokens, 0) as priced_tokens,
        coalesce(spent.unpriced_tokens, 0) as unpriced_tokens
    from pairs
    inner join months on pairs.month = months.month
    cross join known
    left join spent
        on
            pairs.month = spent.month
            and pairs.team = spent.team
            and pairs.currency is not distinct from spent.currency
    left join planned
        on
            pairs.month = planned.month
            and pairs.team = planned.team
            and pairs.currency = planned.currency
            and planned.preference = 1
    left join spending_outlook
        on
            pairs.team = spending_outlook.team
            and pairs.currency = spending_outlook.currency
            and months.through_date = known.last_day
),

final as (
    select
        month,
        team,
        currency,
        through_date,
        {{ days_between('month', 'through_date') }} + 1 as days_elapsed,
        {{ days_between('through_date', 'month_end') }} as days_remaining,
        spent,
        budget,
        cast(
            {{ proportion(
                'spent', 100, 'cast(nullif(budget, 0) as decimal(38, 2)) * 100'
            ) }} as decimal(38, 6)
        ) as budget_share,
        case when is_at_rest then spent else spent + expected end as expected_landing,
        case when is_at_rest then spent else spent + lowest end as lowest_landing,
        case when is_at_rest then spent else spent + highest end as highest_landing,
        priced_tokens,
        unpriced_tokens
    from combined
)

select * from final
