with recorded as (
    select
        date,
        app,
        trace_id,
        unnest(from_json(guard_results, '["JSON"]')) as result
    from {{ ref('stg_trace_facts') }}
    where guard_results is not null
),

decided as (
    select distinct on (date, app, trace_id, guardrail)
        date,
        app,
        trace_id,
        result ->> '$.guardrail' as guardrail,
        case
            when result ->> '$.action' in ('block', 'redact') then 'stopped'
            when starts_with(result ->> '$.error', 'skipped: ') then 'skipped'
            when result ->> '$.error' is not null then 'unchecked'
            when result ->> '$.action' = 'flag' then 'flagged'
            else 'passed'
        end as outcome
    from recorded
    where result ->> '$.guardrail' is not null
    order by date, app, trace_id, guardrail, outcome
)

select
    decided.date,
    decided.app,
    decided.guardrail,
    decided.outcome,
    scores.verdict as night_verdict,
    labels.verdict as people_verdict,
    count(*) as n
from decided
left join {{ ref('fct_scores') }} as scores
    on decided.date = scores.date
    and decided.app = scores.app
    and decided.trace_id = scores.trace_id
    and decided.guardrail = scores.dimension
    and scores.kind = 'guardrail'
    and scores.status = 'scored'
left join {{ ref('stg_labels') }} as labels
    on decided.date = labels.date
    and decided.app = labels.app
    and decided.trace_id = labels.trace_id
    and decided.guardrail = labels.dimension
group by all
