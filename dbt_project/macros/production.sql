{#- Keeps scores, guardrail verdicts and labels of production. Those of replays, experiments and
    anchors are in the same tables, and no figure counts them. -#}

{% macro is_production() -%}
    coalesce(cast(origin as varchar), 'production') = 'production'
{%- endmacro %}

{% macro subject_key() -%}
    {#- A row's subject and origin. Rows written before there were other subjects are about traces. -#}
    coalesce(cast(subject as varchar), 'trace') as subject,
    coalesce(cast(subject_id as varchar), cast(trace_id as varchar)) as subject_id,
    coalesce(cast(origin as varchar), 'production') as origin
{%- endmacro %}
