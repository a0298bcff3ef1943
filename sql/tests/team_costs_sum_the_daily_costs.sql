-- Costs by team are daily_costs, by day, source and currency; so are the converted costs.
with daily as (
    {{ costs_by_day(ref('daily_costs')) }}
),

converted as (
    {{ costs_by_day(ref('daily_costs_converted')) }}
),

teams as (
    {{ costs_by_day(ref('team_costs')) }}
),

final as (
    select * from daily
    except
    select * from teams
    union all
    (
        select * from teams
        except
        select * from daily
    )
    union all
    (
        select * from daily
        except
        select * from converted
    )
)

select * from final
