{% macro label_weights(prefix, condition) -%}
    {#- Sampled labels by what people and the evaluator decided, each counted 1 / its chance times,
        the squares of these weights, and how many labels they are, by what the evaluator decided. -#}
    {%- for cell, label, verdict in [
        ('tp', 'pass', 'pass'), ('fn', 'pass', 'fail'), ('fp', 'fail', 'pass'), ('tn', 'fail', 'fail')
    ] %}
    {{ sum_weights('weight', condition ~ " and label = '" ~ label ~ "' and verdict = '" ~ verdict ~ "'") }}
        as {{ prefix }}_{{ cell }},
    {%- endfor %}
    {%- for verdict in ['pass', 'fail'] %}
    {{ sum_weights('weight * weight', condition ~ " and label is not null and verdict = '" ~ verdict ~ "'") }}
        as {{ prefix }}_{{ verdict }}_squares,
    {%- endfor %}
    {%- for cell, verdict in [('fp', 'pass'), ('tn', 'fail')] %}
    {{ sum_weights('weight * weight', condition ~ " and label = 'fail' and verdict = '" ~ verdict ~ "'") }}
        as {{ prefix }}_{{ cell }}_squares,
    {%- endfor %}
    {%- for verdict in ['pass', 'fail'] %}
    count(*) filter ({{ condition }} and label is not null and verdict = '{{ verdict }}')
        as {{ prefix }}_{{ verdict }}_labels{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro sum_weights(expression, condition) -%}
    round(coalesce(sum({{ expression }}) filter ({{ condition }}), 0), 6)
{%- endmacro %}

{% macro label_counts(prefix, condition) -%}
    {#- Labels by what people and the evaluator decided; pass is positive. -#}
    {%- for cell, label, verdict in [
        ('tp', 'pass', 'pass'), ('fn', 'pass', 'fail'), ('fp', 'fail', 'pass'), ('tn', 'fail', 'fail')
    ] %}
    count(*) filter ({{ condition }} and label = '{{ label }}' and verdict = '{{ verdict }}')
        as {{ prefix }}{{ cell }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
