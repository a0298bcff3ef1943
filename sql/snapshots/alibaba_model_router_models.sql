-- Grain: one row per model and time in which it had a billing rule, or had none.
-- Key: source_name, base_url, id, dbt_valid_from.
-- Rule: a model that left the list stays as it was last seen.
{% snapshot alibaba_model_router_models %}
    {%- set key = ['source_name', 'base_url', 'id'] %}
    {%- set columns = ['has_billing_rule'] %}
    {{ config(unique_key=key, check_cols=columns) }}
    {{ present_state(source('alibaba_model_router', 'models'), key, columns) }}
{% endsnapshot %}
