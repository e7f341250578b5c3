select
    date,
    app,
    field,
    value,
    count(*) as n
from {{ ref('int_trace_provenance') }}
group by date, app, field, value
