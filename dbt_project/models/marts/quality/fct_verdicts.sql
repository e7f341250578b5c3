select
    date,
    app,
    trace_id,
    subject,
    subject_id,
    origin,
    guardrail,
    evaluator_version,
    tripped,
    action,
    severity,
    explanation
from {{ ref('stg_verdicts') }}
