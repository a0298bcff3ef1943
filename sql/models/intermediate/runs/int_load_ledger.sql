-- Grain: one row per slice loaded: one stretch of one scope of one stream.
-- Key: slice_id, load_id.
-- Inputs: the load_ledger of every vendor that has a staging folder.
with final as (
    {{ union_of_ledgers() }}
)

select * from final
