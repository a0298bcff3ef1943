-- Grain: one row per display name and time in which the same models had it.
-- Key: source_name, display_name, valid_from.
-- Rule: a name that several models share stands for none of them, from when they did.
with models as (
    select * from {{ ref('stg_tencent_lke__models') }}
    where display_name is not null
),

edges as (
    select
        source_name,
        display_name,
        listed_from as valid_from
    from models
    union distinct
    select
        source_name,
        display_name,
        valid_to as valid_from
    from models
    where valid_to is not null
),

periods as (
    select
        *,
        lead(valid_from) over (
            partition by source_name, display_name order by valid_from nulls first
        ) as valid_to
    from edges
),

final as (
    select
        periods.source_name,
        periods.display_name,
        case when count(*) = 1 then min(models.model_name) end as model_name,
        periods.valid_from,
        periods.valid_to,
        max(models.load_id) as load_id
    from periods
    inner join models
        on
            periods.source_name = models.source_name
            and periods.display_name = models.display_name
            and (models.listed_from is null or periods.valid_from >= models.listed_from)
            and (
                models.valid_to is null
                or coalesce(periods.valid_from < models.valid_to, true)
            )
    group by
        periods.source_name,
        periods.display_name,
        periods.valid_from,
        periods.valid_to
)

select * from final
