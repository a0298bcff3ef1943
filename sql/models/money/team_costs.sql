-- Grain: one row per local day, team, source, model and currency.
-- Key: all of these; currency is NULL where unpriced.
-- Rule: what no team owns is of team unassigned, so that the sum is that of daily_costs.
{{ config(materialized='table') }}

with costs as (
    select * from {{ ref('daily_costs_converted') }}
),

daily_owners as (
    select * from {{ ref('int_daily_owners') }}
),

final as (
    select
        costs.usage_date,
        coalesce(daily_owners.team, 'unassigned') as team,
        costs.source_name,
        costs.model,
        costs.currency,
        cast(sum(costs.cost) as decimal(38, 12)) as cost,
        costs.reporting_currency,
        cast(sum(costs.cost_in_reporting_currency) as decimal(38, 12))
            as cost_in_reporting_currency,
        cast(sum(costs.priced_tokens) as bigint) as priced_tokens,
        cast(sum(costs.unpriced_tokens) as bigint) as unpriced_tokens,
        cast(sum(costs.calls) as bigint) as calls,
        cast(sum(costs.unconverted_calls) as bigint) as unconverted_calls,
        costs.counts_in_totals
    from costs
    left join daily_owners
        on
            costs.usage_date = daily_owners.usage_date
            and costs.source_name = daily_owners.source_name
            and costs.account_id is not distinct from daily_owners.account_id
            and costs.app_name is not distinct from daily_owners.app_name
            and costs.api_key_name is not distinct from daily_owners.api_key_name
    group by
        costs.usage_date,
        daily_owners.team,
        costs.source_name,
        costs.model,
        costs.currency,
        costs.reporting_currency,
        costs.counts_in_totals
)

select * from final
