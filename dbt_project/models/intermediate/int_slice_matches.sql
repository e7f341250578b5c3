with matched as (
    select
        date,
        app,
        trace_id,
        session_id,
        unnest({{ slice_matches(ref('int_app_slices')) }}) as match
    from {{ ref('int_traces') }}
)

select
    date,
    app,
    trace_id,
    session_id,
    match.name as name,
    match.kind as kind,
    match.value as value
from matched
where match.value is not null
