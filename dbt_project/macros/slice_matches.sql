{#- Finds the catalog slices of a trace. Definitions are data, read when the model runs; each
    becomes one element of a list that a single scan of the traces unnests. -#}

{% macro slice_definitions(app_slices) %}
    {#- Distinct definitions with the applications each covers, names and keywords already SQL
        literals: no keyword can leave its quotes. -#}
    {% set query %}
        select
            kind,
            {{ as_literal('slice') }} as name,
            case when kind = 'keyword' then {{ as_literal('expression') }}
                else '(' || chr(10) || expression || chr(10) || ')' end as expression,
            string_agg({{ as_literal('app') }}, ', ' order by app) as apps
        from {{ app_slices }}
        group by all
        order by all
    {% endset %}
    {% if execute %}{{ return(run_query(query).rows) }}{% endif %}
    {{ return([]) }}
{% endmacro %}

{% macro as_literal(column) -%}
    '''' || replace({{ column }}, '''', '''''') || ''''
{%- endmacro %}

{% macro slice_value(definition) -%}
    {#- A value where the trace is in the slice, null where it is not. A row on which a team's
        expression fails (a bad cast) is not in the slice; the night goes on. -#}
    {%- set expression = definition['expression'] -%}
    {%- if definition['kind'] == 'by' -%}
        try(cast({{ expression }} as varchar))
    {%- elif definition['kind'] == 'where' -%}
        case when try({{ expression }}) then '' end
    {%- elif definition['kind'] == 'keyword' -%}
        case when {{ contains_word('input', expression) }} then '' end
    {%- else -%}
        ''
    {%- endif -%}
{%- endmacro %}

{% macro contains_word(column, literal) -%}
    {#- RE2's word boundary is ASCII only and fails after "c++": neighbours are listed. -#}
    {%- set neighbour = '[^\\p{L}\\p{M}\\p{N}_]' -%}
    regexp_matches(
        {{ column }}, '(^|{{ neighbour }})' || regexp_escape({{ literal }}) || '({{ neighbour }}|$)', 'i'
    )
{%- endmacro %}

{% macro slice_matches(app_slices) -%}
    cast([
        {%- for definition in slice_definitions(app_slices) %}
        {
            'name': {{ definition['name'] }},
            'kind': '{{ definition['kind'] }}',
            'value': case when app in ({{ definition['apps'] }}) then {{ slice_value(definition) }} end
        }{{ ',' if not loop.last }}
        {%- endfor %}
    ] as struct(name varchar, kind varchar, value varchar)[])
{%- endmacro %}
