select
    cast(app as varchar) as app,
    cast(slice as varchar) as slice,
    cast(kind as varchar) as kind,
    cast(expression as varchar) as expression
from {{ source('lake', 'slices') }}
