-- Grain: one row per pair, source, scope and bucket of time.
-- Key: all of these.
-- Inputs: the buckets of the figures, the slices that the ledger says were read.
-- Rule: compared are buckets that both sides read whole, and late enough after their end.
with checked_totals as (
    select * from {{ ref('int_checked_totals') }}
),

pairs as (
    select * from {{ ref('reconciliation_pairs') }}
),

slices as (
    select * from {{ ref('int_current_slices') }}
),

sides as (
    select
        pair,
        'detail' as side,
        detail_stream as stream
    from pairs
    union all
    select
        pair,
        'control' as side,
        control_stream as stream
    from pairs
),

buckets as (
    select distinct
        pair,
        source_name,
        scope,
        bucket_start,
        bucket_end
    from checked_totals
),

reads as (
    select
        buckets.pair,
        sides.side,
        buckets.source_name,
        buckets.scope,
        buckets.bucket_start,
        buckets.bucket_end,
        coalesce(
            max(
                case
                    when
                        slices.window_start <= buckets.bucket_start
                        and slices.window_end >= buckets.bucket_end
                        then slices.read_started_at
                end
            ),
            min(slices.read_started_at)
        ) as read_at
    from buckets
    inner join sides on buckets.pair = sides.pair
    inner join slices
        on
            sides.stream = slices.stream
            and buckets.source_name = slices.source_name
            -- A stream that is read as one covers every scope.
            and (buckets.scope = slices.scope or slices.scope = '')
            and buckets.bucket_end > slices.window_start
            and buckets.bucket_start < slices.window_end
            and buckets.bucket_start >= slices.stretch_start
            and buckets.bucket_end <= slices.stretch_end
    group by
        buckets.pair,
        sides.side,
        buckets.source_name,
        buckets.scope,
        buckets.bucket_start,
        buckets.bucket_end
),

pivoted as (
    select
        buckets.pair,
        buckets.source_name,
        buckets.scope,
        buckets.bucket_start,
        buckets.bucket_end,
        max(case when reads.side = 'detail' then reads.read_at end) as detail_read_at,
        max(case when reads.side = 'control' then reads.read_at end) as control_read_at
    from buckets
    left join reads
        on
            buckets.pair = reads.pair
            and buckets.source_name = reads.source_name
            and buckets.scope = reads.scope
            and buckets.bucket_start = reads.bucket_start
            and buckets.bucket_end = reads.bucket_end
    group by
        buckets.pair,
        buckets.source_name,
        buckets.scope,
        buckets.bucket_start,
        buckets.bucket_end
),

{%- set settled_at = "pivoted.bucket_end + pairs.settle_hours * interval '1' hour" %}

final as (
    select
        pivoted.*,
        pivoted.detail_read_at is not null
        and pivoted.control_read_at is not null as is_loaded,
        coalesce(pivoted.detail_read_at >= {{ settled_at }}, false)
        and coalesce(pivoted.control_read_at >= {{ settled_at }}, false) as is_compared
    from pivoted
    inner join pairs on pivoted.pair = pairs.pair
)

select * from final
