-- Grain: one row per pair of figures, source, local day, model and measure.
-- Key: source_name, pair, usage_date, model, measure.
-- Inputs: what was compared; what the vendor's own costs of the day are in.
-- Rule: a list to read and to count, not to sum: its measures are of different kinds.
with reconciliation as (
    select * from detail.reconciliation
),

daily_costs as (
    select * from detail.daily_costs
),

-- NULL where the vendor reported costs in several currencies on a day.
currencies as (
    select
        source_name,
        usage_date,
        case when count(distinct currency) = 1 then max(currency) end as currency
    from daily_costs
    where cost_basis = 'reported'
    group by
        source_name,
        usage_date
),

final as (
    select
        reconciliation.*,
        case when reconciliation.measure = 'cost' then currencies.currency end
            as currency
    from reconciliation
    left join currencies
        on
            reconciliation.source_name = currencies.source_name
            and reconciliation.usage_date = currencies.usage_date
)

select * from final
