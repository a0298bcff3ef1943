-- Grain: one row per source that is held and invariant that its new rows break.
-- Key: source_name, broken_test.
-- Inputs: what the night found, see macros/held.sql.
-- Rule: empty on a good night; the other tables show these as they were published before.
with held_sources as (
    select * from {{ source('transform_state', 'held_sources') }}
),

final as (
    select * from held_sources
    where {{ is_held() }}
)

select * from final
