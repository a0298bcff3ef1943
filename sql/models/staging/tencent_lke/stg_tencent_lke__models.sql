-- Grain: one row per model, of all kinds of application, and time in which it stayed.
-- Key: source_name, model_name, valid_from.
-- Rule: listed_from is when the list first had it so, NULL where its first reading did.
with models as (
    select
        *,
        {{ validity(['source_name', 'model_name']) }},
        min(dbt_valid_from) over (partition by source_name) as first_read_at
    from {{ ref('tencent_lke_models') }}
),

final as (
    select
        source_name,
        model_name,
        nullif(alias_name, '') as display_name,
        nullif(model_category, '') as model_category,
        nullif(provider_type, '') as provider_type,
        case when dbt_valid_from > first_read_at then dbt_valid_from end as listed_from,
        valid_from,
        valid_to,
        load_id
    from models
)

select * from final
