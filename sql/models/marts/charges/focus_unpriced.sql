-- Grain: one row per row of daily_charges without a cost, of sources that count.
-- Key: as there.
-- Inputs: daily_charges, who has a part in them.
-- Rule: usage without a cost is no charge, and never one of 0: it stands beside them.
{{ config(materialized='view') }}

with
{{ described_charges('daily_charges.cost is null') }},

final as (
    select
        {{ focus_columns() }},
        reason_unpriced as x_ReasonUnpriced
    from described
)

select * from final
