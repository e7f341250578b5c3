{%- set most_values = 50 -%}

with matches as materialized (
    select date, app, trace_id, session_id, name, kind, value
    from {{ ref('int_slice_matches') }}
),

ranked as (
    select
        date,
        app,
        name,
        value,
        row_number() over (partition by date, app, name order by count(*) desc, value) as value_rank
    from matches
    where kind = 'by'
    group by date, app, name, value
)

select
    matches.date,
    matches.app,
    matches.trace_id,
    matches.session_id,
    case
        when matches.kind <> 'by' then matches.name
        when ranked.value_rank <= {{ most_values }} then matches.name || '=' || matches.value
        else matches.name || '=other'
    end as slice
from matches
left join ranked
    on matches.kind = 'by'
    and matches.date = ranked.date
    and matches.app = ranked.app
    and matches.name = ranked.name
    and matches.value = ranked.value
