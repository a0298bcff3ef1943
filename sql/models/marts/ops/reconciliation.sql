-- Grain: one row per pair of figures, source, local day, model and measure.
-- Key: source_name, pair, usage_date, model, measure.
-- Inputs: the vendors' rows and their own totals of them; the ledger of all loads.
-- Rule: only what both sides were read of, and long enough after, is compared.
{{ config(
    materialized='incremental',
    incremental_strategy='touched_days',
    unique_key=['source_name', 'usage_date'],
    meta={'touched_by': 'int_reconciled_days'},
) }}

with checked_totals as (
    select * from {{ ref('int_checked_totals') }}
),

checked_buckets as (
    select * from {{ ref('int_checked_buckets') }}
),

pairs as (
    select * from {{ ref('reconciliation_pairs') }}
),

slices as (
    select
        *,
        {{ local_date('window_start') }} as usage_date
    from {{ ref('int_current_slices') }}
),

reconciled_days as (
    select * from {{ ref('int_reconciled_days') }}
),

-- A day that has nothing to compare shows what there is instead.
totals as (
    select
        checked_totals.*,
        checked_buckets.is_loaded,
        checked_buckets.is_compared,
        checked_buckets.detail_read_at,
        checked_buckets.control_read_at,
        checked_buckets.is_compared = max(checked_buckets.is_compared) over (
            partition by
                checked_totals.pair,
                checked_totals.source_name,
                checked_totals.usage_date,
                checked_totals.model,
                checked_totals.measure
        ) as is_shown
    from checked_totals
    inner join checked_buckets
        on
            checked_totals.pair = checked_buckets.pair
            and checked_totals.source_name = checked_buckets.source_name
            and checked_totals.scope = checked_buckets.scope
            and checked_totals.bucket_start = checked_buckets.bucket_start
            and checked_totals.bucket_end = checked_buckets.bucket_end
),

compared as (
    select
        totals.source_name,
        totals.pair,
        totals.usage_date,
        totals.model,
        totals.measure,
        sum(case when totals.side = 'detail' then totals.value end) as detail_value,
        sum(case when totals.side = 'control' then totals.value end) as control_value,
        count(case when totals.side = 'detail' then 1 end) as detail_rows,
        count(case when totals.side = 'control' then 1 end) as control_rows,
        max(totals.is_loaded) as is_loaded,
        max(totals.is_compared) as is_compared,
        min(totals.detail_read_at) as detail_read_at,
        min(totals.control_read_at) as control_read_at,
        max(totals.control_read_at > totals.detail_read_at + interval '1' hour)
            as is_control_later,
        max(totals.detail_read_at > totals.control_read_at + interval '1' hour)
            as is_detail_later,
        pairs.tolerance as pair_tolerance,
        sum(totals.allowed_below) as allowed_below,
        sum(totals.allowed_above) as allowed_above,
        max(totals.allowed_because) as allowed_because,
        max(totals.caveat) as caveat
    from totals
    inner join pairs on totals.pair = pairs.pair
    where totals.is_shown
    group by
        totals.source_name,
        totals.pair,
        totals.usage_date,
        totals.model,
        totals.measure,
        pairs.tolerance
    union all
    -- How many rows came of a slice, against how many the vendor said there were.
    select
        source_name,
        stream || '_vs_reported_total' as pair,
        usage_date,
        null as model,
        'rows' as measure,
        sum(row_count) as detail_value,
        sum(reported_total) as control_value,
        count(*) as detail_rows,
        count(*) as control_rows,
        true as is_loaded,
        true as is_compared,
        min(read_started_at) as detail_read_at,
        min(read_started_at) as control_read_at,
        false as is_control_later,
        false as is_detail_later,
        0 as pair_tolerance,
        0 as allowed_below,
        0 as allowed_above,
        null as allowed_because,
        null as caveat
    from slices
    where
        reported_total is not null
        -- The present state of a list has no day.
        and window_end > window_start + interval '1' second
    group by source_name, stream, usage_date
),

measured as (
    select
        *,
        coalesce(detail_value, 0) - coalesce(control_value, 0) as difference,
        pair_tolerance + case
            when coalesce(detail_value, 0) < coalesce(control_value, 0) then allowed_below
            else allowed_above
        end as tolerance,
        control_rows > 0 and control_value is null as is_control_silent,
        detail_rows > 0 and detail_value is null as is_detail_silent
    from compared
    where coalesce(detail_value, 0) <> 0 or coalesce(control_value, 0) <> 0
),

judged as (
    select
        *,
        case
            when not is_compared or is_control_silent or is_detail_silent
                then 'not_comparable'
            when abs(difference) <= tolerance then 'agrees'
            when caveat is not null then 'not_comparable'
            -- What the warehouse has beyond an older total needs no repair.
            when difference > 0 and is_detail_later then 'not_comparable'
            else 'differs'
        end as verdict
    from measured
),

told as (
    select
        source_name,
        pair,
        usage_date,
        model,
        measure,
        cast(detail_value as decimal(38, 12)) as detail_value,
        cast(control_value as decimal(38, 12)) as control_value,
        cast(difference as decimal(38, 12)) as difference,
        case
            when control_rows = 0 then 'detail_only'
            when detail_rows = 0 then 'control_only'
            else 'both'
        end as seen_in,
        cast(tolerance as decimal(38, 12)) as tolerance,
        verdict,
        case
            when not is_loaded then 'not loaded on both sides'
            when not is_compared then 'window not closed'
            when is_control_silent then 'control does not give this measure'
            when is_detail_silent then 'detail does not give this measure'
            when difference = 0 then 'equal'
            when abs(difference) <= pair_tolerance then 'within tolerance'
            when verdict = 'agrees' then allowed_because
            when caveat is not null then caveat
            when difference > 0 and is_detail_later
                then 'late rows: detail was read later than control'
            when difference < 0 and is_control_later
                then 'late rows: control was read later than detail'
            else 'unexplained'
        end as reason,
        detail_read_at,
        control_read_at
    from judged
),

known as (
    {{ or_as_published('told', 'reconciliation') }}
),

final as (
    select * from known
    {% if is_incremental() %}
        where
            (source_name, usage_date) in (
                select
                    reconciled_days.source_name,
                    reconciled_days.usage_date
                from reconciled_days
            )
    {% endif %}
)

select * from final
