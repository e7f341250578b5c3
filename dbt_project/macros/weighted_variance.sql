{% macro weighted_variance(wp, ws, wpp, wps, wss, sessions) -%}
    {#- Variance of the Hajek rate wp / ws, each row weighted by 1 / inclusion: linearised, its
        rows clustered by session (CR1). Null where nothing or one session is scored. -#}
    round(
        greatest(0, {{ wpp }} - 2 * ({{ wp }} / nullif({{ ws }}, 0)) * {{ wps }}
        + ({{ wp }} / nullif({{ ws }}, 0)) * ({{ wp }} / nullif({{ ws }}, 0)) * {{ wss }})
        / nullif({{ ws }} * {{ ws }}, 0) * {{ sessions }} / nullif({{ sessions }} - 1, 0),
        12
    )
{%- endmacro %}
