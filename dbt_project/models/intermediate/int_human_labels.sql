with votes as (
    select
        date,
        app,
        subject,
        subject_id,
        dimension,
        annotator_kind,
        count(distinct annotator) filter (verdict = 'pass') as passes,
        count(distinct annotator) filter (verdict = 'fail') as fails
    from {{ ref('stg_labels') }}
    where annotator_kind in ('adjudicated', 'human') and annotator <> 'gold'
    group by date, app, subject, subject_id, dimension, annotator_kind
),

deciding as (
    select date, app, subject, subject_id, dimension, passes, fails
    from votes
    qualify row_number() over (
        partition by date, app, subject, subject_id, dimension order by annotator_kind
    ) = 1
)

select
    date,
    app,
    subject,
    subject_id,
    dimension,
    case when passes > fails then 'pass' else 'fail' end as verdict
from deciding
where passes <> fails
