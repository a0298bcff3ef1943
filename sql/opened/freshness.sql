-- Grain: one row per source and stream.
-- Key: source_name, stream.
-- Inputs: how the loads went, what is held, the newest publication.
-- Rule: an age is as of the publishing, whose instant stands beside it.
with load_status as (
    select * from ops.load_status
),

held_sources as (
    select * from ops.held_sources
),

publications as (
    select * from history.publications
),

newest as (
    select
        *,
        max(last_complete_date) over (partition by recorded_at) as newest_complete_date
    from publications
    qualify recorded_at = max(recorded_at) over ()
),

final as (
    select
        load_status.source_name,
        load_status.stream,
        newest.last_complete_date as complete_through,
        load_status.last_window_end as loaded_to,
        cast(
            date_sub('second', load_status.last_window_end, newest.recorded_at) / 3600
            as decimal(18, 2)
        ) as age_hours,
        newest.recorded_at as published_at,
        load_status.rows_read,
        case
            when load_status.source_name in (
                select held_sources.source_name from held_sources
            ) then 'held'
            when load_status.gaps > 0 then 'gaps'
            when load_status.disagreeing_windows > 0 then 'disagrees'
            when
                newest.last_complete_date is null
                or newest.last_complete_date < newest.newest_complete_date
                then 'behind'
            else 'ok'
        end as status
    from load_status
    left join newest on load_status.source_name = newest.source_name
)

select * from final
