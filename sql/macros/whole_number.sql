{#- The integer that a vendor's float stands for; NULL where it is not whole, which would round. -#}
{% macro whole_number(expression) -%}
    case
        when {{ expression }} = floor({{ expression }})
            then cast({{ expression }} as bigint)
    end
{%- endmacro %}
