{% test expression_is_true(model, expression) %}
    select 1 as violated
    from {{ model }}
    where ({{ expression }}) is not true
{% endtest %}
