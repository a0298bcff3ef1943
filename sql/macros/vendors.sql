{#- What each vendor's folder of models/staging offers to what all vendors share. A new vendor is one
    line here, and so is what a known one newly offers. -#}
{% macro vendors() -%}
    {{ return({
        'aiproxy': ['calls', 'checked_totals', 'lookup_uses'],
        'alibaba_model_router': ['calls', 'usage_buckets', 'checked_totals', 'lookup_uses'],
        'tencent_lke': ['calls', 'usage_buckets', 'checked_totals', 'lookup_uses'],
        'weave': ['calls', 'usage_buckets', 'checked_totals'],
    }) }}
{%- endmacro %}

{#- The models `stg_<vendor>__<what>` of all vendors that offer one, but for those of `but_of`. They
    are referred to here, so that dbt builds them before whatever unites them. -#}
{% macro staged(what, but_of=[]) -%}
    {%- set relations = [] -%}
    {%- for vendor, offered in vendors().items() if what in offered and vendor not in but_of -%}
        {%- do relations.append(ref('stg_' ~ vendor ~ '__' ~ what)) -%}
    {%- endfor -%}
    {{ return(relations) }}
{%- endmacro %}
