-- Grain: one row per source and local day audited since the last publication.
-- Key: source_name, usage_date.
-- Inputs: what audits read and found; the publications, the one under way included.
-- Rule: read again are days of which a total was another one, or parted from the rows.
with publications as (
    select * from published.main.publications
),

last_time as (
    select max(recorded_at) as recorded_at
    from publications
    where
        recorded_at < (
            select max(this_time.recorded_at) from publications as this_time
        )
),

zone as (
    select value as reporting_timezone
    from transform_state.settings
    where name = 'reporting_timezone'
),

windows as (
    select
        source_name,
        window_start,
        window_end,
        false as is_read_again
    from transform_state.audit_reads
    where read_at > (select last_time.recorded_at from last_time)
    union all
    select
        source_name,
        window_start,
        window_end,
        ours is null as is_read_again
    from transform_state.audit_findings
    where read_at > (select last_time.recorded_at from last_time)
),

days as (
    select
        windows.source_name,
        windows.is_read_again,
        cast(
            unnest(
                generate_series(
                    cast(
                        timezone(zone.reporting_timezone, windows.window_start) as date
                    ),
                    cast(
                        timezone(
                            zone.reporting_timezone,
                            windows.window_end - interval '1 microsecond'
                        ) as date
                    ),
                    interval '1 day'
                )
            ) as date
        ) as usage_date
    from windows
    cross join zone
),

final as (
    select
        source_name,
        usage_date,
        bool_or(is_read_again) as is_read_again
    from days
    group by
        source_name,
        usage_date
)

select * from final
