-- Every call is in daily_tokens once, with all of its tokens, in its own day and source.
with usage as (
    select
        source_name,
        usage_date,
        sum(calls) as calls,
        sum(errors) as errors,
        {{ sum_tokens() }}
    from {{ ref('int_usage') }}
    where {{ tested('usage_date') }}
    group by source_name, usage_date
),

daily as (
    select
        source_name,
        usage_date,
        sum(calls) as calls,
        sum(errors) as errors,
        {{ sum_tokens() }}
    from {{ ref('daily_tokens') }}
    where {{ tested('usage_date') }}
    group by source_name, usage_date
),

final as (
    select * from usage
    except
    select * from daily
    union all
    (
        select * from daily
        except
        select * from usage
    )
)

select * from final
