{%- set fields = [
    'model', 'provider', 'prompt_version', 'prompt_hash', 'git_commit', 'source_format'
] -%}

{% for field in fields %}
select date, app, trace_id, '{{ field }}' as field, {{ field }} as value
from {{ ref('stg_trace_facts') }}
where {{ field }} <> ''
union all
{% endfor %}
select date, app, trace_id, field, value
from {{ ref('int_trace_versions') }}
