select
    scores.date,
    scores.app,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    count(*) filter (labels.verdict = 'pass' and scores.verdict = 'pass') as tp,
    count(*) filter (labels.verdict = 'pass' and scores.verdict = 'fail') as fn,
    count(*) filter (labels.verdict = 'fail' and scores.verdict = 'pass') as fp,
    count(*) filter (labels.verdict = 'fail' and scores.verdict = 'fail') as tn
from {{ ref('fct_scores') }} as scores
inner join {{ ref('stg_labels') }} as labels
    on scores.date = labels.date
    and scores.app = labels.app
    and scores.subject = labels.subject
    and scores.subject_id = labels.subject_id
    and scores.dimension = labels.dimension
where scores.status = 'scored'
group by
    scores.date, scores.app, scores.dimension, scores.evaluator, scores.evaluator_version
