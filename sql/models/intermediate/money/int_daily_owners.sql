-- Grain: one row per local day, source, account, app and API key that a team owns then.
-- Key: all of these; one that is not known is NULL.
-- Rule: an API key beats an app, an app an account, an account a source.
with daily_costs as (
    select * from {{ ref('daily_costs') }}
),

owners as (
    select * from {{ ref('owners') }}
),

consumers as (
    select distinct
        source_name,
        account_id,
        app_name,
        api_key_name
    from daily_costs
),

claims as (
    select
        consumers.source_name,
        consumers.account_id,
        consumers.app_name,
        consumers.api_key_name,
        owners.team,
        owners.valid_from,
        owners.valid_to,
        case when owners.api_key_name is null then 0 else 8 end
        + case when owners.app_name is null then 0 else 4 end
        + case when owners.account_id is null then 0 else 2 end
        + case when owners.source_name is null then 0 else 1 end as specificity
    from consumers
    inner join owners
        on
            (owners.source_name is null or consumers.source_name = owners.source_name)
            and (owners.account_id is null or consumers.account_id = owners.account_id)
            and (owners.app_name is null or consumers.app_name = owners.app_name)
            and (
                owners.api_key_name is null
                or consumers.api_key_name = owners.api_key_name
            )
),

days as (
    select distinct
        usage_date,
        source_name,
        account_id,
        app_name,
        api_key_name
    from daily_costs
),

ranked as (
    select
        days.usage_date,
        days.source_name,
        days.account_id,
        days.app_name,
        days.api_key_name,
        claims.team,
        row_number() over (
            partition by
                days.usage_date,
                days.source_name,
                days.account_id,
                days.app_name,
                days.api_key_name
            order by claims.specificity desc
        ) as preference
    from days
    inner join claims
        on
            days.source_name = claims.source_name
            and days.account_id is not distinct from claims.account_id
            and days.app_name is not distinct from claims.app_name
            and days.api_key_name is not distinct from claims.api_key_name
            and coalesce(days.usage_date >= claims.valid_from, true)
            and coalesce(days.usage_date < claims.valid_to, true)
),

final as (
    select
        usage_date,
        source_name,
        account_id,
        app_name,
        api_key_name,
        team
    from ranked
    where preference = 1
)

select * from final
