{#- Whether a row was skipped since its question was not asked, and not since it had none to ask. -#}

{% macro is_unasked(code) -%}
    coalesce({{ code }}, '') in (
        'budget', 'outside-hours', 'other-weights', 'night-deadline', 'provider-down',
        'rate-limited', 'no-model', 'no-key'
    )
{%- endmacro %}
