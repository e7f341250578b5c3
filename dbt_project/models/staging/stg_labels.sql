select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    {{ subject_key() }},
    cast(dimension as varchar) as dimension,
    cast(verdict as varchar) as verdict
from {{ source('lake', 'labels') }}
where {{ is_production() }}
