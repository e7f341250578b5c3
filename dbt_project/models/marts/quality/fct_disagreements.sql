select
    scores.date,
    scores.app,
    scores.trace_id,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    scores.verdict,
    labels.verdict as label
from {{ ref('fct_scores') }} as scores
inner join {{ ref('stg_labels') }} as labels
    on scores.date = labels.date
    and scores.app = labels.app
    and scores.subject = labels.subject
    and scores.subject_id = labels.subject_id
    and scores.dimension = labels.dimension
where scores.status = 'scored'
    and scores.subject = 'trace'
    and scores.verdict <> labels.verdict
