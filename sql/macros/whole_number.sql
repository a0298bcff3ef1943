{#- The integer that a vendor's float stands for; NULL where it is not whole, which
    would round, or lies beyond the limit of tokens. -#}
{% macro whole_number(expression) -%}
    case
        when
            {{ expression }} = floor({{ expression }})
            and abs({{ expression }}) <= {{ limits()['total_tokens'] }}
            then cast({{ expression }} as bigint)
    end
{%- endmacro %}
