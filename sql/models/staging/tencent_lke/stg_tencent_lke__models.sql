-- Grain: one row per model that an account can use now, whatever the kind of application.
-- Key: source_name, model_name.
with models as (
    select * from {{ source('tencent_lke', 'models') }}
),

final as (
    select
        source_name,
        model_name,
        min(nullif(alias_name, '')) as display_name,
        min(nullif(model_category, '')) as model_category,
        min(nullif(provider_type, '')) as provider_type
    from models
    group by source_name, model_name
)

select * from final
