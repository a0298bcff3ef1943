-- Did a closed day change since it was reported; as of when can each month be asked for?
with days as (
    select source_name, usage_date, cause, recorded_at from history.restatements
    union all by name
    select distinct source_name, usage_date from detail.daily_tokens
)
select
    source_name, cast(date_trunc('month', usage_date) as date) as month,
    count(distinct usage_date) filter (cause is not null) as restated_days,
    string_agg(distinct cause, ', ') as causes, max(days.recorded_at) as restated_at,
    min(if(last_complete_date >= last_day(usage_date), publications.recorded_at, null))
        as complete_as_of
from days left join history.publications using (source_name)
group by source_name, month order by month desc, source_name asc
