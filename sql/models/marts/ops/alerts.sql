-- Grain: one row per alert that holds.
-- Key: alert_id; rule, source_name, team, currency, usage_date, month, and for a budget
-- the step that is passed.
-- Inputs: the alerts on money and on loading; the rules that are switched off.
with spending_alerts as (
    select * from {{ ref('int_spending_alerts') }}
),

load_alerts as (
    select * from {{ ref('int_load_alerts') }}
),

unioned as (
    select * from spending_alerts
    union all
    select
        rule,
        source_name,
        null as team,
        null as currency,
        usage_date,
        null as month,
        measure,
        value,
        threshold,
        message,
        query
    from load_alerts
),

final as (
    select
        md5(concat_ws(
            '|',
            rule,
            coalesce(source_name, ''),
            coalesce(team, ''),
            coalesce(currency, ''),
            coalesce(cast(usage_date as string), ''),
            coalesce(cast(month as string), ''),
            case when rule = 'budget' then {{ decimal_text('threshold', 12) }} else '' end
        )) as alert_id,
        *
    from unioned
    where ' {{ var("alerts_off") }} ' not like '% ' || rule || ' %'
)

select * from final
