{% macro session_ss(passed, scored, pp, ps, ss) -%}
    {#- Sum over sessions of (p - s * rate)^2, p passed of s scored, multiplied out over whole
        numbers: exact, and so the same whatever order rows arrive in. Null when none is scored. -#}
    cast(
        {{ scored }} * {{ scored }} * {{ pp }}
        - 2 * {{ passed }} * {{ scored }} * {{ ps }}
        + {{ passed }} * {{ passed }} * {{ ss }} as double
    ) / nullif(cast({{ scored }} * {{ scored }} as double), 0)
{%- endmacro %}
