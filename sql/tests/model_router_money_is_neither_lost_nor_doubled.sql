-- The calls and the rows of unmatched money hold together what ModelRouter's lines cost.
with lines as (
    select
        source_name,
        currency,
        sum(cost) as cost
    from {{ ref('stg_alibaba_model_router__billing_lines') }}
    where not ({{ is_held() }})
    group by source_name, currency
    having sum(cost) <> 0
),

carried as (
    select
        source_name,
        currency,
        sum(cost_reported) as cost
    from (
        select
            source_name,
            currency,
            cost_reported
        from {{ ref('stg_alibaba_model_router__calls') }}
        union all
        select
            source_name,
            currency,
            cost_reported
        from {{ ref('stg_alibaba_model_router__usage_buckets') }}
    ) as both_facts
    where
        cost_reported is not null
        and not ({{ is_held() }})
    group by source_name, currency
    having sum(cost_reported) <> 0
),

final as (
    select * from lines
    except
    select * from carried
    union all
    (
        select * from carried
        except
        select * from lines
    )
)

select * from final
