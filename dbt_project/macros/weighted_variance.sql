{% macro weighted_variance(
    passed, scored, passed_squared, passed_times_scored, scored_squared, sessions
) -%}
    {#- Variance of the Hajek rate passed / scored, each row weighted by 1 / inclusion: linearised,
        its rows clustered by session (CR1). Null where nothing or one session is scored. -#}
    {%- set rate = '(' ~ passed ~ ' / nullif(' ~ scored ~ ', 0))' -%}
    round(
        greatest(0, {{ passed_squared }} - 2 * {{ rate }} * {{ passed_times_scored }}
        + {{ rate }} * {{ rate }} * {{ scored_squared }})
        / nullif({{ scored }} * {{ scored }}, 0) * {{ sessions }} / nullif({{ sessions }} - 1, 0),
        12
    )
{%- endmacro %}
