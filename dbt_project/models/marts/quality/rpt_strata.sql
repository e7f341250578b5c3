select
    scores.date,
    scores.app,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    coalesce(strata.stratum, '') as stratum,
    coalesce(scores.prompt_version, '') as prompt_version,
    coalesce(scores.model, '') as model,
    coalesce(scores.git_commit, '') as git_commit,
    count(*) filter (scores.verdict = 'pass') as passed,
    count(*) filter (scores.verdict = 'fail') as failed,
    round(sum(1 / scores.inclusion), 6) as weight,
    round(sum(1 / (scores.inclusion * scores.inclusion)), 6) as weight_squares,
    round(coalesce(sum(1 / scores.inclusion) filter (scores.verdict = 'pass'), 0), 6)
        as weight_passed
from {{ ref('fct_scores') }} as scores
left join {{ ref('int_trace_strata') }} as strata
    on scores.date = strata.date
    and scores.app = strata.app
    and scores.trace_id = strata.trace_id
where scores.status = 'scored'
group by all
