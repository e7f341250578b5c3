select
    cast(date as date) as date,
    cast(app as varchar) as app,
    cast(trace_id as varchar) as trace_id,
    cast(topic as varchar) as topic,
    cast(topic_id as varchar) as topic_id,
    cast(topic_since as date) as topic_since,
    cast(topic_models as bigint) as topic_models,
    cast(topic_gap as varchar) as topic_gap,
    cast(refused as boolean) as refused,
    cast(apologised as boolean) as apologised,
    cast(repeated as boolean) as repeated,
    cast(rephrased as boolean) as rephrased,
    cast(abandoned as boolean) as abandoned,
    cast(input_language as varchar) as input_language,
    cast(output_language as varchar) as output_language
from {{ source('lake', 'requests') }}
