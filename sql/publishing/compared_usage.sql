-- Grain: one row per measure and currency of a consumer of a source on a local day.
-- Key: usage_date, source_name, consumer, measure, currency.
-- Inputs: the versions of daily tokens and costs, those of this publication included.
-- Rule: of the closed days that this publication changes.
with sources as (
    select * from compared_sources
),

tokens_history as (
    select * from published.history.daily_tokens_history
),

costs_history as (
    select * from published.history.daily_costs_converted_history
),

changes as (
    select
        usage_date,
        source_name,
        recorded_from as changed_at
    from tokens_history
    union
    select
        usage_date,
        source_name,
        recorded_to as changed_at
    from tokens_history
    union
    select
        usage_date,
        source_name,
        recorded_from as changed_at
    from costs_history
    union
    select
        usage_date,
        source_name,
        recorded_to as changed_at
    from costs_history
),

changed_days as (
    select
        changes.usage_date,
        changes.source_name,
        sources.recorded_at
    from changes
    inner join sources
        on
            changes.source_name = sources.source_name
            and changes.changed_at = sources.recorded_at
    where
        changes.usage_date >= sources.first_closed_date
        and changes.usage_date <= sources.last_closed_date
),

tokens as (
    select
        tokens_history.*,
        tokens_history.recorded_from < changed_days.recorded_at as was_published,
        tokens_history.recorded_to is null as is_published
    from tokens_history
    inner join changed_days
        on
            tokens_history.usage_date = changed_days.usage_date
            and tokens_history.source_name = changed_days.source_name
    where
        tokens_history.recorded_to is null
        or tokens_history.recorded_to = changed_days.recorded_at
),

costs as (
    select
        costs_history.*,
        costs_history.recorded_from < changed_days.recorded_at as was_published,
        costs_history.recorded_to is null as is_published
    from costs_history
    inner join changed_days
        on
            costs_history.usage_date = changed_days.usage_date
            and costs_history.source_name = changed_days.source_name
    where
        costs_history.recorded_to is null
        or costs_history.recorded_to = changed_days.recorded_at
),

measured as (
    select
        usage_date,
        source_name,
        {
            'provider': provider_name,
            'account': account_id,
            'app': app_name,
            'api_key': api_key_name,
            'model': model
        } as consumer,
        was_published,
        is_published,
        cast(null as varchar) as currency,
        unnest([
            'calls',
            'errors',
            'input_tokens',
            'output_tokens',
            'total_tokens',
            'cache_read_input_tokens',
            'cache_creation_input_tokens',
            'reasoning_output_tokens'
        ]) as measure,
        cast(unnest([
            calls,
            errors,
            input_tokens,
            output_tokens,
            total_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens
        ]) as decimal(38, 12)) as amount
    from tokens
    union all
    select
        usage_date,
        source_name,
        {
            'provider': provider_name,
            'account': account_id,
            'app': app_name,
            'api_key': api_key_name,
            'model': model
        } as consumer,
        was_published,
        is_published,
        unnest([null, currency, currency, reporting_currency]) as currency,
        unnest([
            'unpriced_tokens',
            'cost',
            'reported_cost',
            'cost_in_reporting_currency'
        ]) as measure,
        unnest([
            cast(unpriced_tokens as decimal(38, 12)),
            cost,
            case when cost_basis = 'reported' then cost end,
            cost_in_reporting_currency
        ]) as amount
    from costs
),

compared as (
    select
        usage_date,
        source_name,
        consumer,
        measure,
        currency,
        cast(sum(case when was_published then amount end) as decimal(38, 12))
            as old_value,
        cast(sum(case when is_published then amount end) as decimal(38, 12)) as new_value
    from measured
    group by
        usage_date,
        source_name,
        consumer,
        measure,
        currency
),

final as (
    select
        *,
        case
            when old_value = new_value then 0
            when old_value is null and new_value is null then 0
            else 1
        end as is_changed
    from compared
)

select * from final
