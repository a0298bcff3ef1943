-- Grain: one row per local day, source, team, measure, currency and cause of a change.
-- Key: all of these.
-- Inputs: what differs from what is published, its sources, the loads since.
-- Rule: what else changed of the same consumer tells the cause.
with usage as (
    select * from compared_usage
),

sources as (
    select * from compared_sources
),

load_ledger as (
    select * from intermediate.int_load_ledger
),

new_slices as (
    select
        load_ledger.source_name,
        cast(
            timezone(sources.reporting_timezone, load_ledger.window_start) as date
        ) as first_date,
        cast(
            timezone(
                sources.reporting_timezone,
                load_ledger.window_end - interval '1 microsecond'
            ) as date
        ) as last_date
    from load_ledger
    inner join sources on load_ledger.source_name = sources.source_name
    where load_ledger.load_id > sources.last_load_id
),

audited as (
    select * from audited_days
),

days as (
    select
        usage_date,
        source_name,
        measure,
        currency,
        cast(sum(old_value) as decimal(38, 12)) as old_value,
        cast(sum(new_value) as decimal(38, 12)) as new_value
    from usage
    group by
        usage_date,
        source_name,
        measure,
        currency
),

days_with_other_calls as (
    select
        usage_date,
        source_name
    from days
    where measure = 'calls' and old_value is distinct from new_value
),

consumers as (
    select
        usage_date,
        source_name,
        consumer,
        max(case when measure = 'calls' then is_changed end) as has_other_calls,
        max(
            case
                when measure = 'calls' and coalesce(new_value, 0) < coalesce(old_value, 0)
                    then 1
                else 0
            end
        ) as has_fewer_calls,
        max(
            case
                when measure in ('cost', 'unpriced_tokens', 'cost_in_reporting_currency')
                    then 0
                else is_changed
            end
        ) as has_other_usage,
        max(
            case when measure in ('cost', 'unpriced_tokens') then is_changed end
        ) as has_other_cost
    from usage
    group by
        usage_date,
        source_name,
        consumer
),

causes as (
    select
        consumers.usage_date,
        consumers.source_name,
        consumers.consumer,
        case
            when not sources.has_same_settings then 'settings'
            when consumers.has_other_usage = 1 and sources.is_restored then 'restored'
            when
                consumers.has_other_usage = 1
                and not exists (
                    select 1
                    from new_slices
                    where
                        new_slices.source_name = consumers.source_name
                        and new_slices.first_date <= consumers.usage_date
                        and new_slices.last_date >= consumers.usage_date
                )
                then 'settings'
            when
                consumers.has_other_usage = 1
                and coalesce(audited.is_read_again, false)
                then 'audit'
            when
                consumers.has_other_calls = 1
                and days_with_other_calls.usage_date is not null
                then
                    case consumers.has_fewer_calls
                        when 1 then 'vanished rows'
                        else 'late rows'
                    end
            when consumers.has_other_usage = 1 then 'vendor change'
            when consumers.has_other_cost = 1 then 'price'
            when sources.has_same_currency then 'rate'
            else 'settings'
        end as cause
    from consumers
    inner join sources on consumers.source_name = sources.source_name
    left join days_with_other_calls
        on
            consumers.usage_date = days_with_other_calls.usage_date
            and consumers.source_name = days_with_other_calls.source_name
    left join audited
        on
            consumers.usage_date = audited.usage_date
            and consumers.source_name = audited.source_name
),

differences as (
    select
        usage.usage_date,
        usage.source_name,
        usage.measure,
        usage.currency,
        causes.cause,
        sum(coalesce(usage.new_value, 0) - coalesce(usage.old_value, 0)) as difference
    from usage
    inner join causes
        on
            usage.usage_date = causes.usage_date
            and usage.source_name = causes.source_name
            and usage.consumer = causes.consumer
    where usage.is_changed = 1 and usage.measure <> 'reported_cost'
    group by
        usage.usage_date,
        usage.source_name,
        usage.measure,
        usage.currency,
        causes.cause
),

-- Another role changes no figure of the source itself, only the totals.
other_roles as (
    select distinct
        versions.usage_date,
        sources.source_name,
        cast(cast(sources.counted_in_totals as integer) as decimal(38, 12)) as old_value,
        cast(cast(sources.counts_in_totals as integer) as decimal(38, 12)) as new_value
    from sources
    inner join published.history.daily_tokens_history as versions
        on
            sources.source_name = versions.source_name
            and sources.first_closed_date <= versions.usage_date
            and sources.last_closed_date >= versions.usage_date
    where
        versions.recorded_to is null
        and sources.counted_in_totals <> sources.counts_in_totals
),

unioned as (
    select
        days.usage_date,
        days.source_name,
        cast(null as varchar) as team,
        days.measure,
        days.currency,
        days.old_value,
        days.new_value,
        cast(differences.difference as decimal(38, 12)) as difference,
        differences.cause
    from differences
    inner join days
        on
            differences.usage_date = days.usage_date
            and differences.source_name = days.source_name
            and differences.measure = days.measure
            and differences.currency is not distinct from days.currency
    union all
    select
        usage_date,
        source_name,
        null as team,
        'counts_in_totals' as measure,
        null as currency,
        old_value,
        new_value,
        cast(new_value - old_value as decimal(38, 12)) as difference,
        'settings' as cause
    from other_roles
    union all
    select
        usage_date,
        source_name,
        team,
        'team_cost' as measure,
        currency,
        old_value,
        new_value,
        difference,
        'owner' as cause
    from compared_owners
),

final as (
    select
        unioned.*,
        sources.recorded_at
    from unioned
    inner join sources on unioned.source_name = sources.source_name
)

select * from final
