{% macro session_squares(passed, scored, passed_squared, passed_times_scored, scored_squared) -%}
    {#- Sum over sessions of (passed - scored * rate)^2, multiplied out over whole
        numbers: exact, and so the same whatever order rows arrive in. Null when none is scored. -#}
    cast(
        {{ scored }} * {{ scored }} * {{ passed_squared }}
        - 2 * {{ passed }} * {{ scored }} * {{ passed_times_scored }}
        + {{ passed }} * {{ passed }} * {{ scored_squared }} as double
    ) / nullif(cast({{ scored }} * {{ scored }} as double), 0)
{%- endmacro %}
