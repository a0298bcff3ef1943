-- Grain: one row per source that was published before.
-- Key: source_name.
-- Inputs: the publications, the one under way included.
-- Rule: a day is closed once any publication had it complete.
with publications as (
    select * from published.history.publications
),

load_ledger as (
    select * from intermediate.int_load_ledger
),

this_time as (
    select max(recorded_at) as recorded_at from publications
),

ranked as (
    select
        publications.*,
        min(publications.first_complete_date) over (
            partition by publications.source_name
        ) as first_closed_date,
        max(publications.last_complete_date) over (
            partition by publications.source_name
        ) as last_closed_date,
        row_number() over (
            partition by publications.source_name order by publications.recorded_at desc
        ) as recency
    from publications
    inner join this_time on publications.recorded_at < this_time.recorded_at
),

now_published as (
    select publications.*
    from publications
    inner join this_time on publications.recorded_at = this_time.recorded_at
),

final as (
    select
        this_time.recorded_at,
        ranked.source_name,
        ranked.first_closed_date,
        ranked.last_closed_date,
        ranked.last_load_id,
        ranked.recorded_at as last_recorded_at,
        ranked.counts_in_totals as counted_in_totals,
        now_published.counts_in_totals,
        now_published.reporting_timezone,
        coalesce(
            ranked.reporting_timezone = now_published.reporting_timezone
            and ranked.rollup_from = now_published.rollup_from,
            false
        ) as has_same_settings,
        coalesce(
            ranked.reporting_currency = now_published.reporting_currency, false
        ) as has_same_currency,
        -- The loads that were published last are not there any more.
        ranked.last_load_id is not null
        and not exists (
            select 1
            from load_ledger
            where
                load_ledger.source_name = ranked.source_name
                and load_ledger.load_id = ranked.last_load_id
        ) as is_restored
    from ranked
    left join now_published on ranked.source_name = now_published.source_name
    cross join this_time
    where ranked.recency = 1
)

select * from final
