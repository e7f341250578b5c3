with present as (
    select distinct
        app,
        slice,
        split_part(slice, '=', 1) as name
    from {{ ref('fct_slice_members') }}
)

select
    declared.app,
    coalesce(present.slice, declared.slice) as slice,
    declared.kind,
    declared.expression as definition
from {{ ref('int_app_slices') }} as declared
left join present
    on declared.app = present.app
    and declared.slice = present.name
where declared.kind <> 'by' or present.slice is not null
