{#- Who makes and runs a model that is named so, in lower case; NULL where names do not tell: open
    weights run anywhere. -#}
{% macro provider_of_model(name) -%}
    case
        when {{ name }} like 'gpt-oss%' then null
        when
            {{ name }} like 'gpt-%'
            or {{ name }} like 'chatgpt-%'
            or {{ name }} in ('o1', 'o3')
            or {{ name }} like 'o1-%'
            or {{ name }} like 'o3-%'
            or {{ name }} like 'o4-%'
            then 'openai'
        when {{ name }} like 'claude-%' then 'anthropic'
        when {{ name }} like 'gemini-%' then 'gcp.gemini'
    end
{%- endmacro %}
