-- Grain: one row per call and token kind that it was charged for.
-- Key: call_id, token_kind.
-- Inputs: the calls, their costs, the prices at which they were billed.
-- Rule: the kinds of a call add up to its cost exactly; a view, so that it costs nothing
-- until it is asked.
{{ config(materialized='view') }}

{%- set call_columns = [
    'source_name',
    'provider_name',
    'account_id',
    'app_name',
    'api_key_name',
    'model',
    'currency',
    'cost_basis',
    'cost_kind',
    'reason_unpriced',
] %}

with calls as (
    select * from {{ published_ref('calls') }}
),

call_costs as (
    select * from {{ published_ref('call_costs') }}
),

prices as (
    select * from {{ published_ref('prices') }}
),

priced as (
    select
        calls.call_id,
        calls.call_date,
        calls.source_name,
        calls.provider_name,
        calls.account_id,
        calls.app_name,
        calls.api_key_name,
        calls.model,
        1 as calls,
        {{ counted_columns('calls') }},
        {{ reported_cost_columns('calls') }},
        call_costs.cost,
        call_costs.currency,
        call_costs.cost_basis,
        call_costs.cost_kind,
        call_costs.currency_derived,
        case when call_costs.cost is null then call_costs.reason_unpriced end
            as reason_unpriced,
        {{ price_id_columns('call_costs') }}
    from calls
    inner join call_costs
        on
            calls.call_id = call_costs.call_id
            and calls.call_date = call_costs.call_date
),

{{ divided('priced', 'coalesce(' ~ price_id_columns() ~ ') is not null') }},

{{ metered('divided') }},

of_calls as (
    select
        call_id,
        call_date,
        {{ call_columns | join(', ') }},
        division,
        {{ price_id_columns() }},
        {{ metered_columns() }}
    from metered
),

{{ charged_by_kind('of_calls', ['call_date', 'call_id'], call_columns) }},

final as (
    select
        call_id,
        call_date,
        {{ call_columns | join(', ') }},
        token_kind,
        price_id,
        unit_size,
        unit_price,
        split,
        quantity,
        cost
    from charged_by_kind
)

select * from final
