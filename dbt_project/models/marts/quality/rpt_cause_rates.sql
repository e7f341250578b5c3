select
    scores.date,
    scores.app,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    provenance.field,
    provenance.value,
    count(*) filter (scores.verdict = 'pass') as passed,
    count(*) filter (scores.verdict = 'fail') as failed,
    round(sum(1 / scores.inclusion), 6) as weight,
    round(sum(1 / (scores.inclusion * scores.inclusion)), 6) as weight_squares,
    round(coalesce(sum(1 / scores.inclusion) filter (scores.verdict = 'pass'), 0), 6)
        as weight_passed
from {{ ref('fct_scores') }} as scores
inner join {{ ref('int_trace_provenance') }} as provenance
    on scores.date = provenance.date
    and scores.app = provenance.app
    and scores.trace_id = provenance.trace_id
where scores.status = 'scored'
group by
    scores.date,
    scores.app,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    provenance.field,
    provenance.value
