-- Grain: one row per publication and source that was audited since the one before.
-- Key: recorded_at, source_name.
-- Inputs: the audited days, what is said of them, the requests that it took.
with audited as (
    select * from audited_days
),

sources as (
    select * from compared_sources
),

audits as (
    select * from published.history.audits
),

requests as (
    select
        requests.source_name,
        sum(requests.requests) as requests
    from transform_state.audit_requests as requests
    inner join sources on requests.source_name = sources.source_name
    where requests.read_at > sources.last_recorded_at
    group by requests.source_name
),

-- Of each figure what was said last.
latest as (
    select
        source_name,
        usage_date,
        arg_max(verdict, recorded_at) as verdict,
        max(recorded_at) as recorded_at
    from audits
    group by
        source_name,
        pair,
        usage_date,
        model,
        measure
),

days as (
    select
        audited.source_name,
        audited.usage_date,
        coalesce(
            bool_or(
                latest.verdict = 'healed' and latest.recorded_at = sources.recorded_at
            ),
            false
        ) as is_healed,
        coalesce(bool_or(latest.verdict = 'still_differs'), false) as is_differing
    from audited
    inner join sources on audited.source_name = sources.source_name
    left join latest
        on
            audited.source_name = latest.source_name
            and audited.usage_date = latest.usage_date
    group by
        audited.source_name,
        audited.usage_date
),

final as (
    select
        sources.recorded_at,
        sources.source_name,
        min(days.usage_date) as first_date,
        max(days.usage_date) as last_date,
        count(*) as days,
        count(case when days.is_healed then 1 end) as healed_days,
        count(case when days.is_differing then 1 end) as differing_days,
        cast(max(requests.requests) as bigint) as requests
    from days
    inner join sources on days.source_name = sources.source_name
    left join requests on days.source_name = requests.source_name
    group by
        sources.recorded_at,
        sources.source_name
)

select * from final
