{{ config(meta={'dagster': {'ref': {'name': 'rpt_rates'}}}) }}

with scored as (
    select date, app, dimension, evaluator, evaluator_version, kind, count(*) as n
    from {{ ref('fct_scores') }}
    group by all
)

select
    scored.date,
    scored.app,
    scored.dimension,
    scored.evaluator,
    scored.n,
    rates.n as counted
from scored
left join {{ ref('rpt_rates') }} as rates
    on rates.slice = 'all'
    and scored.date = rates.date
    and scored.app = rates.app
    and scored.dimension = rates.dimension
    and scored.evaluator = rates.evaluator
    and scored.evaluator_version = rates.evaluator_version
    and scored.kind = rates.kind
where scored.n is distinct from rates.n
