-- Incremental days neither lose nor double a call: calls agrees with staging, day by day.
-- What has no day is in no day that could be rebuilt; calls_have_a_day tells of it.
with staged as (
    select
        source_name,
        call_date,
        count(*) as calls,
        sum(total_tokens) as total_tokens
    from {{ ref('int_calls') }}
    where
        call_date is not null
        and {{ tested('billed_at') }}
    group by source_name, call_date
),

built as (
    select
        source_name,
        call_date,
        count(*) as calls,
        sum(total_tokens) as total_tokens
    from {{ ref('calls') }}
    where
        call_date is not null
        and {{ tested('call_date') }}
    group by source_name, call_date
),

final as (
    select * from staged
    except
    select * from built
    union all
    (
        select * from built
        except
        select * from staged
    )
)

select * from final
