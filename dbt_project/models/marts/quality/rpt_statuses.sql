select
    date,
    app,
    status,
    count(*) as n
from {{ ref('stg_trace_facts') }}
group by date, app, status
