select
    date,
    app,
    trace_id,
    guardrail,
    evaluator_version,
    tripped,
    action,
    severity,
    explanation
from {{ ref('stg_verdicts') }}
