with found as (
    select distinct
        app,
        slice,
        split_part(slice, '=', 1) as name
    from {{ ref('fct_slice_members') }}
)

select
    declared.app,
    coalesce(found.slice, declared.slice) as slice,
    declared.kind,
    declared.expression as definition
from {{ ref('int_app_slices') }} as declared
left join found
    on declared.app = found.app
    and declared.slice = found.name
where declared.kind <> 'by' or found.slice is not null
