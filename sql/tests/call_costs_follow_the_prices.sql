-- Every call costs what the prices and rules of now say, however long ago it was built.
-- A run that has just taken all of them from there has nothing to hold them against.
with call_costs as (
    select * from {{ ref('call_costs') }}
    where {{ 'false' if makes_all_anew() else tested('call_date') }}
),

call_prices as (
    select * from {{ ref('int_call_prices') }}
    where {{ 'false' if makes_all_anew() else tested('call_date') }}
)

select
    call_costs.source_name,
    call_costs.call_id,
    call_costs.cost_derived,
    call_prices.cost_derived as cost_by_price
from call_costs
inner join call_prices
    on
        call_costs.call_id = call_prices.call_id
        and call_costs.call_date = call_prices.call_date
where
    call_costs.cost_derived is distinct from call_prices.cost_derived
    or call_costs.currency_derived is distinct from call_prices.currency_derived
    or call_costs.reason_unpriced is distinct from call_prices.reason_unpriced
    or call_costs.cost_reported is distinct from call_prices.cost_reported
