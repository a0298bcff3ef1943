-- Where does the month stand against the budget, and where will it land?
select
    team, currency, through_date, spent, budget, round(budget_share, 3) as budget_share,
    lowest_landing, expected_landing, highest_landing, unpriced_tokens,
    (select arg_max_null(sources_behind, recorded_at) from history.publications)
        as sources_behind
from detail.month_to_date
qualify month = max(month) over ()
order by expected_landing / budget desc nulls last, spent desc nulls last
