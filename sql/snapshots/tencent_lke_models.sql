-- Grain: one row per model, for all kinds of application, and time in which nothing changed.
-- Key: source_name, model_name, dbt_valid_from.
-- Rule: a model that left the list stays as it was last seen.
{% snapshot tencent_lke_models %}
    {%- set key = ['source_name', 'model_name'] %}
    {%- set columns = ['alias_name', 'model_category', 'provider_type'] %}
    {{ config(unique_key=key, check_cols=columns) }}
    {{ present_state(source('tencent_lke', 'models'), key, columns) }}
{% endsnapshot %}
