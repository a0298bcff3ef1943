-- Grain: one row per pair, side, source, scope, bucket of time, model and measure.
-- Key: all of these.
-- Inputs: the two sides of each vendor's figures, see macros/vendors.sql.
-- Rule: a table of the days that this run reconciles, and of no others; not of a source
-- that is held, whose vendor's rows are newer than what is built.
{{ config(materialized='table') }}

with reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

totals as (
    {{ union_of(staged('checked_totals'), checked_total_columns()) }}
),

final as (
    select
        *,
        {{ local_date('bucket_start') }} as usage_date
    from totals
    where
        not ({{ is_held() }})
        and (source_name, {{ local_date('bucket_start') }}) in (
            select
                reconciled_days.source_name,
                reconciled_days.usage_date
            from reconciled_days
        )
)

select * from final
