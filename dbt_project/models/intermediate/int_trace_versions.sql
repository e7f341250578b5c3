with parsed as (
    select
        date,
        app,
        trace_id,
        unnest(map_entries(
            try_cast(try_cast(versions as json) as map(varchar, varchar))
        )) as entry
    from {{ ref('stg_trace_facts') }}
)

select
    date,
    app,
    trace_id,
    'versions.' || entry.key as field,
    entry.value as value
from parsed
where entry.value <> ''
