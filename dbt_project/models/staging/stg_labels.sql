select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    {{ subject_key() }},
    cast(dimension as varchar) as dimension,
    cast(verdict as varchar) as verdict,
    cast(probability as double) as probability,
    cast(split as varchar) as split,
    cast(pairs as bigint) as pairs,
    cast(pairs_agreed as bigint) as pairs_agreed,
    cast(learner as varchar) as learner,
    cast(held_out as boolean) as held_out
from {{ source('lake', 'labels') }}
where {{ is_production() }}
