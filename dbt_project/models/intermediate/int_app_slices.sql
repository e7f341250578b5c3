with apps as (
    select distinct app from {{ ref('stg_traces') }}
),

declared as (
    select app, slice, kind, expression from {{ ref('stg_slices') }}
    union all
    select '*' as app, 'all' as slice, 'all' as kind, 'every trace' as expression
)

select
    apps.app,
    declared.slice,
    declared.kind,
    declared.expression
from apps
inner join declared on declared.app in (apps.app, '*')
qualify row_number() over (
    partition by apps.app, declared.slice order by declared.app = '*'
) = 1
