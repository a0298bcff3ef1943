-- Grain: one row per source, as the tables that are about to be published show it.
-- Key: source_name.
-- Inputs: roles, ledgers and complete days of all sources, the settings of the tables.
with source_roles as (
    select * from intermediate.int_source_roles
),

load_ledger as (
    select * from intermediate.int_load_ledger
),

complete_days as (
    select * from intermediate.int_complete_days
),

daily_costs_converted as (
    select * from published.detail.daily_costs_converted
),

zone as (
    select value as reporting_timezone
    from transform_state.settings
    where name = 'reporting_timezone'
),

currency as (
    select max(reporting_currency) as reporting_currency
    from daily_costs_converted
),

newest as (
    select max(last_day) as last_day
    from complete_days
),

behind as (
    select
        string_agg(
            complete_days.source_name || ' to '
            || cast(complete_days.last_day as varchar),
            ', ' order by complete_days.source_name
        ) as sources_behind
    from complete_days
    inner join newest on complete_days.last_day < newest.last_day
),

loads as (
    select
        source_name,
        max(load_id) as last_load_id
    from load_ledger
    group by source_name
),

final as (
    select
        source_roles.source_name,
        complete_days.first_day as first_complete_date,
        complete_days.last_day as last_complete_date,
        behind.sources_behind,
        loads.last_load_id,
        zone.reporting_timezone,
        currency.reporting_currency,
        source_roles.rollup_from,
        source_roles.counts_in_totals
    from source_roles
    inner join loads on source_roles.source_name = loads.source_name
    left join complete_days on source_roles.source_name = complete_days.source_name
    cross join behind
    cross join zone
    cross join currency
)

select * from final
