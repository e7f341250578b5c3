{#- Columns that the application or its versions write: a slice by one of them is no traffic. -#}
{%- set made = [
    'model', 'model_requested', 'provider', 'prompt_name', 'prompt_version', 'prompt_hash',
    'git_commit', 'versions', 'params', 'context', 'output', 'finish_reason', 'tokens_out',
    'latency_ms', 'cost_usd', 'steps', 'messages', 'feedback', 'status'
] -%}
{%- set most = 3 -%}

with defined as (
    select
        app,
        slice,
        dense_rank() over (partition by app order by split_part(slice, '=', 1)) as place
    from {{ ref('dim_slices') }}
    where
        kind = 'by'
        and not regexp_matches(definition, '\b({{ made | join("|") }})\b', 'i')
)

select
    members.date,
    members.app,
    members.trace_id,
    string_agg(members.slice, ', ' order by members.slice) as stratum
from {{ ref('fct_slice_members') }} as members
inner join defined
    on members.app = defined.app
    and members.slice = defined.slice
where defined.place <= {{ most }}
group by members.date, members.app, members.trace_id
