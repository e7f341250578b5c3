select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    {{ subject_key() }},
    cast(dimension as varchar) as dimension,
    cast(evaluator as varchar) as evaluator,
    cast(evaluator_version as varchar) as evaluator_version,
    cast(kind as varchar) as kind,
    cast(status as varchar) as status,
    cast(verdict as varchar) as verdict,
    cast(value as double) as value,
    cast(explanation as varchar) as explanation,
    cast(code as varchar) as code,
    cast(retryable as boolean) as retryable,
    cast(content_key as varchar) as content_key,
    cast(answer_version as varchar) as answer_version,
    cast(inclusion as double) as inclusion
from {{ source('lake', 'scores') }}
where {{ is_production() }}
