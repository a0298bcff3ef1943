-- Grain: one row per row of daily_costs.
-- Key: as there.
-- Rule: without a rate the converted cost is NULL, and its calls count as unconverted;
-- what no team owns is of team unassigned.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

daily_exchange_rates as (
    select * from {{ ref('daily_exchange_rates') }}
),

daily_owners as (
    select * from {{ ref('int_daily_owners') }}
),

final as (
    select
        daily_costs.usage_date,
        coalesce(daily_owners.team, 'unassigned') as team,
        daily_costs.source_name,
        daily_costs.provider_name,
        daily_costs.account_id,
        daily_costs.app_name,
        daily_costs.api_key_name,
        daily_costs.model,
        daily_costs.currency,
        daily_costs.cost,
        daily_costs.cost_basis,
        daily_costs.priced_tokens,
        daily_costs.unpriced_tokens,
        daily_costs.calls,
        daily_costs.counts_in_totals,
        '{{ var("reporting_currency") }}' as reporting_currency,
        {{ converted('daily_costs.cost', 'daily_exchange_rates.exchange_rate') }}
            as cost_in_reporting_currency,
        daily_exchange_rates.exchange_rate,
        daily_exchange_rates.rate_valid_on,
        case
            when daily_costs.cost is null then 0
            when
                {{ converted('daily_costs.cost', 'daily_exchange_rates.exchange_rate') }}
                is not null
                then 0
            else daily_costs.calls
        end as unconverted_calls
    from daily_costs
    left join daily_exchange_rates
        on
            daily_costs.usage_date = daily_exchange_rates.usage_date
            and daily_costs.currency = daily_exchange_rates.currency
    left join daily_owners
        on
            daily_costs.usage_date = daily_owners.usage_date
            and daily_costs.source_name = daily_owners.source_name
            and daily_costs.account_id is not distinct from daily_owners.account_id
            and daily_costs.app_name is not distinct from daily_owners.app_name
            and daily_costs.api_key_name is not distinct from daily_owners.api_key_name
)

select * from final
