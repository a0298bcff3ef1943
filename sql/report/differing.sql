-- Which of the vendors' own totals do our rows not meet?
select
    usage_date,
    source_name,
    coalesce(model, 'all models') as model,
    measure,
    detail_value as ours,
    control_value as vendors,
    difference,
    pair,
    reason
from reconciliation
where verdict = 'differs'
order by usage_date desc, source_name asc, pair asc, model asc, measure asc
