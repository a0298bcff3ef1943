-- Where does each team stand against its budget, and where will it land?
with current_month as (
    select * from detail.month_to_date
    where currency is not null
    qualify month = max(month) over ()
),

shares as (
    select
        *,
        cast(expected_landing as double) / nullif(budget, 0) as expected_share,
        cast(lowest_landing as double) / nullif(budget, 0) as lowest_share,
        cast(highest_landing as double) / nullif(budget, 0) as highest_share
    from current_month
)

select
    team,
    currency,
    month,
    through_date,
    spent,
    budget,
    cast(budget_share as double) as spent_share,
    expected_landing,
    lowest_landing,
    highest_landing,
    expected_share,
    lowest_share,
    highest_share,
    -- One scale for all teams; one far beyond its budget must not hide the others.
    least(greatest(max(greatest(spent_share, highest_share)) over (), 1.05), 2)
        as scale_end
from shares
order by coalesce(expected_share, spent_share) desc nulls last, spent desc nulls last
