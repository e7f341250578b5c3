select
    date,
    app,
    dimension,
    evaluator,
    status,
    coalesce(code, 'unknown') as code,
    count(*) as n
from {{ ref('fct_scores') }}
where status <> 'scored'
group by all
