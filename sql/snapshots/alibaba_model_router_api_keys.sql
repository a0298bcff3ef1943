-- Grain: one row per API key and time in which its name stayed.
-- Key: source_name, base_url, id, dbt_valid_from.
-- Rule: a key that was deleted stays as it was last seen.
{% snapshot alibaba_model_router_api_keys %}
    {%- set key = ['source_name', 'base_url', 'id'] %}
    {%- set columns = ['name'] %}
    {{ config(unique_key=key, check_cols=columns) }}
    {{ present_state(source('alibaba_model_router', 'api_keys'), key, columns) }}
{% endsnapshot %}
