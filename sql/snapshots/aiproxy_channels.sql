-- Grain: one row per channel and time in which nothing of it changed.
-- Key: source_name, id, dbt_valid_from.
-- Rule: a channel that was deleted stays as it was last seen.
{% snapshot aiproxy_channels %}
    {%- set key = ['source_name', 'id'] %}
    {%- set columns = ['name', 'type', 'host', 'provider_name'] %}
    {{ config(unique_key=key, check_cols=columns) }}
    {{ present_state(source('aiproxy', 'channels'), key, columns) }}
{% endsnapshot %}
