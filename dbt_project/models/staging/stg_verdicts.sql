select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    {{ subject_key() }},
    cast(guardrail as varchar) as guardrail,
    cast(evaluator_version as varchar) as evaluator_version,
    cast(tripped as boolean) as tripped,
    cast(action as varchar) as action,
    cast(severity as varchar) as severity,
    cast(explanation as varchar) as explanation
from {{ source('lake', 'verdicts') }}
where {{ is_production() }}
