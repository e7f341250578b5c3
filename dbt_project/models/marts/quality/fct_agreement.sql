with judged as (
    select
        scores.date,
        scores.app,
        scores.dimension,
        scores.evaluator,
        scores.evaluator_version,
        scores.verdict,
        coalesce(scores.inclusion, 1) as inclusion,
        labels.subject_id is not null as has_label,
        labels.verdict as label,
        if(scores.evaluator = labels.learner and labels.held_out, 'test', labels.split) as split,
        labels.pairs,
        labels.pairs_agreed,
        labels.probability is not null
            and (labels.split <> 'pool' or (scores.evaluator = labels.learner and labels.held_out)) as is_sampled,
        1 / (labels.probability * coalesce(scores.inclusion, 1)) as weight
    from {{ ref('fct_scores') }} as scores
    left join {{ ref('stg_labels') }} as labels
        on scores.date = labels.date
        and scores.app = labels.app
        and scores.subject = labels.subject
        and scores.subject_id = labels.subject_id
        and scores.dimension = labels.dimension
        and (scores.evaluator is distinct from labels.learner or labels.held_out)
    where scores.status = 'scored'
)

select
    date,
    app,
    dimension,
    evaluator,
    evaluator_version,
    {{ label_counts('', 'true') }},
    {{ label_counts('test_', "split = 'test'") }},
    {{ label_weights('sampled', 'is_sampled') }},
    {{ label_weights('locked', "is_sampled and split = 'test'") }},
    count(*) filter (is_sampled and split = 'test' and label = 'pass') as locked_passes,
    count(*) filter (is_sampled and split = 'test' and label = 'fail') as locked_failures,
    count(*) as judged,
    {{ sum_weights('1 / inclusion', 'true') }} as judged_weight,
    {{ sum_weights('1 / inclusion', "verdict = 'pass'") }} as judged_weight_passed,
    count(*) filter (has_label and label is null) as ties,
    cast(coalesce(sum(pairs), 0) as bigint) as pairs,
    cast(coalesce(sum(pairs_agreed), 0) as bigint) as pairs_agreed
from judged
group by date, app, dimension, evaluator, evaluator_version
having bool_or(has_label)
