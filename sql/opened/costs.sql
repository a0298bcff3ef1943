-- Grain: one row per local day, team, source, provider, account, app, API key, model,
-- currency and cost basis, of the sources that count in totals.
-- Key: all of these; one that is not known is NULL.
-- Rule: every measure may be summed over all rows, an amount within its currency.
with daily_costs_converted as (
    select * from detail.daily_costs_converted
),

final as (
    select
        usage_date,
        team,
        source_name,
        provider_name,
        account_id,
        app_name,
        api_key_name,
        model,
        cost,
        currency,
        cost_in_reporting_currency,
        reporting_currency,
        cost_basis,
        calls,
        case when cost is null then calls else 0 end as unpriced_calls,
        unconverted_calls,
        priced_tokens,
        unpriced_tokens
    from daily_costs_converted
    where counts_in_totals
)

select * from final
