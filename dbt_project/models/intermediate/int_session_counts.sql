select
    scores.date,
    scores.app,
    scores.dimension,
    scores.evaluator,
    scores.evaluator_version,
    scores.kind,
    members.slice,
    coalesce('session ' || scores.session_id, 'trace ' || scores.trace_id) as session,
    count(*) filter (scores.verdict = 'pass') as passed,
    count(*) filter (scores.verdict = 'fail') as failed,
    count(*) filter (scores.status = 'error') as errored,
    count(*) filter (scores.status = 'skipped') as skipped,
    count(*) filter (scores.status = 'skipped' and {{ is_unasked('scores.code') }}) as unasked,
    count(*) filter (scores.status = 'skipped' and scores.inclusion = 0) as unreached,
    coalesce(sum(1 / scores.inclusion) filter (scores.verdict = 'pass'), 0) as weighted_passed,
    coalesce(sum(1 / scores.inclusion) filter (scores.status = 'scored'), 0) as weighted_scored,
    coalesce(sum(1 / (scores.inclusion * scores.inclusion)) filter (scores.status = 'scored'), 0)
        as weight_squares,
    min(scores.inclusion) filter (scores.status = 'scored') as least_inclusion,
    max(scores.inclusion) filter (scores.status = 'scored') as most_inclusion
from {{ ref('fct_scores') }} as scores
inner join {{ ref('fct_slice_members') }} as members
    on scores.date = members.date
    and scores.app = members.app
    and scores.trace_id = members.trace_id
group by all
