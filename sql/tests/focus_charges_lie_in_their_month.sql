-- A charge is of one day, within a billing period of one calendar month, both local.
with charges as (
    select
        BillingPeriodStart as period_start,
        BillingPeriodEnd as period_end,
        ChargePeriodStart as charge_start,
        ChargePeriodEnd as charge_end,
        {{ local_date('ChargePeriodStart') }} as charge_date
    from {{ ref('focus_charges') }}
    where {{ tested('ChargePeriodStart') }}
),

final as (
    select distinct * from charges
    where
        period_start <> {{ day_start(month_start('charge_date')) }}
        or period_end <> {{ day_start(days_after(month_end('charge_date'), 1)) }}
        or charge_start <> {{ day_start('charge_date') }}
        or charge_end <> {{ day_start(days_after('charge_date', 1)) }}
)

select * from final
