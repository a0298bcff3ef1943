-- Grain: one row per row of daily_costs, price, token kind, and way the cost is known.
-- Key: all of these; one that is not known is NULL.
-- Inputs: the usage that daily_costs sums, the prices at which it was billed.
-- Rule: of a day, source and currency the costs are exactly those of daily_costs.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    pre_hook="{{ note_unpublished_days() }}",
) }}

{%- set row_columns = cost_row_columns() %}

with daily_usage as (
    select * from {{ ref('int_daily_usage') }}
),

call_costs as (
    select * from {{ ref('call_costs') }}
),

prices as (
    select * from {{ ref('prices') }}
),

touched_days as (
    select * from {{ ref('int_touched_days') }}
),

price_ids as (
    select
        {{ price_ids_key() }} as price_ids_key,
        {{ price_id_columns(of_group=true) }}
    from call_costs
    {% if is_incremental() %}
        where {{ in_touched_days('call_date') }}
    {% endif %}
    group by {{ price_ids_key() }}
),

unmetered as (
    select
        daily_usage.*,
        {{ price_id_columns('price_ids') }},
        {{ any_number() }} as row_number
    from daily_usage
    left join price_ids on daily_usage.price_ids_key = price_ids.price_ids_key
    {% if is_incremental() %}
        where {{ in_touched_days('daily_usage.usage_date') }}
    {% endif %}
),

{{ metered('unmetered') }},

of_rows as (
    select
        row_number,
        {{ row_columns | join(', ') }},
        division,
        {{ price_id_columns() }},
        {{ metered_columns() }}
    from metered
),

{{ charged_by_kind('of_rows', ['row_number'], row_columns) }},

final as (
    select
        {{ row_columns | join(', ') }},
        token_kind,
        price_id,
        unit_size,
        unit_price,
        split,
        cast(sum(quantity) as bigint) as quantity,
        cast(sum(cost) as decimal(38, 12)) as cost,
        cast(sum(calls) as bigint) as calls
    from charged_by_kind
    group by
        {{ row_columns | join(', ') }},
        token_kind,
        price_id,
        unit_size,
        unit_price,
        split
)

select * from final
