select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    cast(session_id as varchar) as session_id,
    cast(model as varchar) as model,
    cast(provider as varchar) as provider,
    cast(prompt_version as varchar) as prompt_version,
    cast(prompt_hash as varchar) as prompt_hash,
    cast(git_commit as varchar) as git_commit,
    cast(source_format as varchar) as source_format,
    cast(versions as varchar) as versions,
    coalesce(cast(status as varchar), 'ok') as status,
    case when contains(cast(metadata as varchar), '"guard"') and json_valid(metadata) then
        cast(json_extract(cast(metadata as varchar), '$.guard.results') as varchar)
    end as guard_results
from {{ source('lake', 'traces') }}
