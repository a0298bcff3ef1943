-- Grain: one row per source and local day audited since the last publication.
-- Key: source_name, usage_date.
-- Inputs: what audits read and found; when each source was published last.
-- Rule: read again are days of which a total was another one, or parted from the rows.
with sources as (
    select * from compared_sources
),

zone as (
    select value as reporting_timezone
    from transform_state.settings
    where name = 'reporting_timezone'
),

windows as (
    select
        reads.source_name,
        reads.window_start,
        reads.window_end,
        false as is_read_again
    from transform_state.audit_reads as reads
    inner join sources on reads.source_name = sources.source_name
    where reads.read_at > sources.last_recorded_at
    union all
    select
        findings.source_name,
        findings.window_start,
        findings.window_end,
        findings.ours is null as is_read_again
    from transform_state.audit_findings as findings
    inner join sources on findings.source_name = sources.source_name
    where findings.read_at > sources.last_recorded_at
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
