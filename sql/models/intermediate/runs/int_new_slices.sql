-- Grain: one row per slice that no complete run has taken in yet.
-- Key: slice_id, load_id.
-- Rule: a table, because the end of the run notes exactly these.
{{ config(materialized='table') }}

with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

processed_slices as (
    select * from {{ source('transform_state', 'processed_slices') }}
),

final as (
    select load_ledger.*
    from load_ledger
    left join processed_slices
        on
            load_ledger.slice_id = processed_slices.slice_id
            and load_ledger.load_id = processed_slices.load_id
    where processed_slices.slice_id is null
)

select * from final
