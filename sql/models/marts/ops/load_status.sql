-- Grain: one row per source and stream.
-- Key: source_name, stream.
-- Inputs: the ledger of all loads.
-- Rule: a snapshot (windows of a second) has no gap; others have none before the nights.
with load_ledger as (
    select * from {{ ref('int_load_ledger') }}
),

reached as (
    select
        *,
        max(window_end) over (
            partition by source_name, stream, scope
            order by window_start
            rows between unbounded preceding and 1 preceding
        ) as reached_before,
        min(case when run_kind = 'backfill' then null else window_start end) over (
            partition by source_name, stream, scope
        ) as nightly_from
    from load_ledger
),

disagreeing as (
    select
        this.source_name,
        this.stream,
        count(*) as disagreeing_windows
    from load_ledger as this
    where
        this.row_count <> this.reported_total
        and not exists (
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
    group by this.source_name, this.stream
),

streams as (
    select
        vendor,
        source_name,
        stream,
        max(window_end) as last_window_end,
        max(read_finished_at) as last_loaded_at,
        count(distinct scope) as scopes,
        count(*) as slices,
        cast(sum(row_count) as bigint) as rows_read,
        cast(sum(requests) as bigint) as requests,
        cast(sum(retries) as bigint) as retries,
        case
            when max(window_end - window_start) > interval '1 second'
                then count(
                    case
                        when
                            window_start > reached_before
                            and reached_before > nightly_from
                            then 1
                    end
                )
        end as gaps
    from reached
    group by vendor, source_name, stream
),

final as (
    select
        streams.*,
        coalesce(disagreeing.disagreeing_windows, 0) as disagreeing_windows
    from streams
    left join disagreeing
        on
            streams.source_name = disagreeing.source_name
            and streams.stream = disagreeing.stream
)

select * from final
