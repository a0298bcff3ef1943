-- Days on which two sources that both count in totals show many of the same calls: of one
-- model, with the same tokens, begun within a second of each other. A few are chance.
with counting as (
    select
        calls.source_name,
        calls.call_date,
        calls.model,
        calls.input_tokens,
        calls.total_tokens,
        coalesce(calls.called_at, calls.finished_at) as begun_at
    from {{ ref('calls') }} as calls
    inner join {{ ref('int_source_roles') }} as source_roles
        on calls.source_name = source_roles.source_name
    where
        source_roles.counts_in_totals
        and calls.total_tokens > 0
        and {{ tested('calls.call_date') }}
),

counted as (
    select
        source_name,
        call_date,
        model,
        count(*) as calls
    from counting
    group by
        source_name,
        call_date,
        model
),

-- The models of each day that more than one source has; where none is, the rest is free.
shared as (
    select
        call_date,
        model
    from counted
    group by
        call_date,
        model
    having count(*) > 1
),

calls as (
    select
        counting.source_name,
        counting.call_date,
        counting.model,
        counting.input_tokens,
        counting.total_tokens,
        date_trunc('second', counting.begun_at) as begun_at
    from counting
    inner join shared
        on
            counting.call_date = shared.call_date
            and counting.model = shared.model
),

seconds as (
    {%- for second in [-1, 0, 1] %}
        select
            calls.*,
            calls.begun_at + interval '{{ second }}' second as seen_at
        from calls
        {{ "union all" if not loop.last }}
    {%- endfor %}
),

alike as (
    select distinct
        calls.source_name,
        seconds.source_name as other_source,
        calls.call_date,
        calls.begun_at,
        calls.model,
        calls.input_tokens,
        calls.total_tokens
    from calls
    inner join seconds
        on
            calls.begun_at = seconds.seen_at
            and calls.model = seconds.model
            and calls.total_tokens = seconds.total_tokens
            and calls.input_tokens = seconds.input_tokens
            and calls.source_name < seconds.source_name
),

met as (
    select
        source_name,
        other_source,
        call_date,
        count(*) as calls_seen_twice
    from alike
    group by
        source_name,
        other_source,
        call_date
),

of_days as (
    select
        source_name,
        call_date,
        sum(calls) as calls
    from counted
    group by
        source_name,
        call_date
),

final as (
    select
        met.source_name,
        met.other_source,
        met.call_date,
        met.calls_seen_twice,
        least(counted.calls, others.calls) as calls_of_the_smaller
    from met
    inner join of_days as counted
        on
            met.source_name = counted.source_name
            and met.call_date = counted.call_date
    inner join of_days as others
        on
            met.other_source = others.source_name
            and met.call_date = others.call_date
    where met.calls_seen_twice * 20 >= least(counted.calls, others.calls)
)

select * from final
