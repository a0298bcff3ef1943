-- Grain: one row per measure and currency of a consumer of a source on a local day.
-- Key: usage_date, source_name, consumer, measure, currency.
-- Inputs: the tables about to be published, and the versions that are published.
-- Rule: of the closed days, those that differ now.
with sources as (
    select * from compared_sources
),

tokens as (
    select
        * exclude (recorded_from, recorded_to),
        'before' as side
    from published.main.daily_tokens_history
    where recorded_to is null
    union all by name
    select
        *,
        'now' as side
    from published.main.daily_tokens
),

costs as (
    select
        * exclude (recorded_from, recorded_to),
        'before' as side
    from published.main.daily_costs_converted_history
    where recorded_to is null
    union all by name
    select
        *,
        'now' as side
    from published.main.daily_costs_converted
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
        side,
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
        side,
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
        measured.usage_date,
        measured.source_name,
        measured.consumer,
        measured.measure,
        measured.currency,
        cast(
            sum(case when measured.side = 'before' then measured.amount end)
            as decimal(38, 12)
        ) as old_value,
        cast(
            sum(case when measured.side = 'now' then measured.amount end)
            as decimal(38, 12)
        ) as new_value
    from measured
    inner join sources
        on
            measured.source_name = sources.source_name
            and measured.usage_date >= sources.first_closed_date
            and measured.usage_date <= sources.last_closed_date
    group by
        measured.usage_date,
        measured.source_name,
        measured.consumer,
        measured.measure,
        measured.currency
),

differing_days as (
    select distinct
        usage_date,
        source_name
    from compared
    where old_value is distinct from new_value
),

final as (
    select
        compared.*,
        case
            when compared.old_value = compared.new_value then 0
            when compared.old_value is null and compared.new_value is null then 0
            else 1
        end as is_changed
    from compared
    inner join differing_days
        on
            compared.usage_date = differing_days.usage_date
            and compared.source_name = differing_days.source_name
)

select * from final
