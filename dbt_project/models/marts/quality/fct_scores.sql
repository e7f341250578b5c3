select
    scores.date,
    scores.app,
    scores.trace_id,
    scores.subject,
    scores.subject_id,
    scores.origin,
    traces.session_id,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    scores.kind,
    scores.status,
    scores.verdict,
    scores.value,
    scores.explanation,
    scores.code,
    scores.inclusion,
    traces.model,
    traces.prompt_version,
    traces.git_commit
from {{ ref('stg_scores') }} as scores
left join {{ ref('stg_trace_facts') }} as traces
    on scores.date = traces.date
    and scores.app = traces.app
    and scores.trace_id = traces.trace_id
