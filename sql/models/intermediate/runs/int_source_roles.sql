-- Grain: one row per source that anything was ever loaded of.
-- Key: source_name.
-- Rule: a seed row that names the source wins over its vendor's row.
with sources as (
    select distinct
        vendor,
        source_name
    from {{ ref('int_load_ledger') }}
),

source_roles as (
    select * from {{ ref('source_roles') }}
),

ranked as (
    select
        sources.vendor,
        sources.source_name,
        source_roles.role,
        source_roles.rollup_from,
        source_roles.counts_in_totals,
        source_roles.calls_stream,
        source_roles.buckets_stream,
        row_number() over (
            partition by sources.source_name
            order by source_roles.source_name nulls last
        ) as preference
    from sources
    left join source_roles
        on
            sources.vendor = source_roles.vendor
            and coalesce(source_roles.source_name, sources.source_name)
            = sources.source_name
),

final as (
    select
        vendor,
        source_name,
        role,
        rollup_from,
        counts_in_totals,
        calls_stream,
        buckets_stream
    from ranked
    where preference = 1
)

select * from final
