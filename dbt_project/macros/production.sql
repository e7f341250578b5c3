{#- The one place where production figures leave out everything else: scores, guardrail verdicts
    and labels of replays, experiments and anchors stand in the same ledger. -#}

{% macro is_production() -%}
    coalesce(cast(origin as varchar), 'production') = 'production'
{%- endmacro %}

{% macro subject_key() -%}
    {#- What a row is about. Rows written before there were other subjects are about traces. -#}
    coalesce(cast(subject as varchar), 'trace') as subject,
    coalesce(cast(subject_id as varchar), cast(trace_id as varchar)) as subject_id,
    coalesce(cast(origin as varchar), 'production') as origin
{%- endmacro %}
