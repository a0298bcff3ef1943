-- Grain: one row per billing rule and time in which it said the same.
-- Key: source_name, base_url, id, dbt_valid_from.
-- Rule: a rule that left the list stays as it was last seen.
{% snapshot alibaba_model_router_billing_rules %}
    {%- set key = ['source_name', 'base_url', 'id'] %}
    {%- set columns = [
        'model_code',
        'billing_type',
        'pricing_config',
        'effective_time',
        'expire_time',
        'version',
        'delete_tag',
        'currency',
    ] %}
    {{ config(unique_key=key, check_cols=columns) }}
    {{ present_state(source('alibaba_model_router', 'billing_rules'), key, columns) }}
{% endsnapshot %}
