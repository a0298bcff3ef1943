-- Grain: one row per slice that no later read covers whole.
-- Key: slice_id, load_id.
-- Rule: also tells the stretch read without a gap that the slice lies in.
{{ config(materialized='table') }}

with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

reached as (
    select
        *,
        max(window_end) over (
            partition by source_name, stream, scope
            order by window_start, window_end
            rows between unbounded preceding and 1 preceding
        ) as reached_before
    from load_ledger
),

numbered as (
    select
        *,
        count(case when window_start > reached_before then 1 end) over (
            partition by source_name, stream, scope
            order by window_start, window_end
            rows between unbounded preceding and current row
        ) as stretch
    from reached
),

stretched as (
    select
        *,
        min(window_start) over (
            partition by source_name, stream, scope, stretch
        ) as stretch_start,
        max(window_end) over (
            partition by source_name, stream, scope, stretch
        ) as stretch_end
    from numbered
),

final as (
    select
        this.slice_id,
        this.load_id,
        this.vendor,
        this.source_name,
        this.stream,
        this.scope,
        this.window_start,
        this.window_end,
        this.stretch_start,
        this.stretch_end,
        this.row_count,
        this.reported_total,
        this.read_started_at
    from stretched as this
    where
        not exists (
            select 1
            from load_ledger as later
            where
                later.source_name = this.source_name
                and later.stream = this.stream
                and later.scope = this.scope
                and later.window_start <= this.window_start
                and later.window_end >= this.window_end
                and later.read_started_at > this.read_started_at
        )
)

select * from final
