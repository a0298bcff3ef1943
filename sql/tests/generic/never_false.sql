{#- `expression` is true in every row, or cannot be told for a NULL in it. -#}
{% test never_false(model, expression) %}

    select *
    from {{ model }}
    where not ({{ expression }})

{% endtest %}
