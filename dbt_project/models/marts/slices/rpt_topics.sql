with requests as (
    select
        date,
        app,
        coalesce(topic, '') as topic,
        topic_id,
        topic_since,
        topic_models,
        topic_gap,
        coalesce('session ' || session_id, 'trace ' || trace_id) as session,
        refused,
        apologised,
        repeated,
        rephrased,
        abandoned,
        refused or apologised or repeated or rephrased or abandoned as unmet
    from {{ ref('int_traces') }}
    where topic_models is not null
),

sessions as (
    select
        date,
        app,
        grouping(topic) = 1 as is_whole,
        topic,
        topic_id,
        topic_since,
        session,
        max(topic_models) as topic_models,
        max(topic_gap) as topic_gap,
        count(*) as n,
        count(*) filter (unmet) as unmet,
        count(*) filter (refused) as refused,
        count(*) filter (apologised) as apologised,
        count(*) filter (repeated) as repeated,
        count(*) filter (rephrased) as rephrased,
        count(*) filter (abandoned) as abandoned
    from requests
    group by grouping sets (
        (date, app, session), (date, app, session, topic, topic_id, topic_since)
    )
)

select
    date,
    app,
    is_whole,
    coalesce(topic, 'all') as topic,
    topic_id,
    topic_since,
    max(topic_models) as topic_models,
    max(topic_gap) as topic_gap,
    cast(sum(n) as bigint) as n,
    cast(sum(unmet) as bigint) as unmet,
    cast(sum(refused) as bigint) as refused,
    cast(sum(apologised) as bigint) as apologised,
    cast(sum(repeated) as bigint) as repeated,
    cast(sum(rephrased) as bigint) as rephrased,
    cast(sum(abandoned) as bigint) as abandoned,
    count(*) as sessions,
    {{ session_squares('sum(unmet)', 'sum(n)', 'sum(unmet * unmet)', 'sum(unmet * n)', 'sum(n * n)') }}
        as session_ss,
    cast(sum(n * n) as double) as session_squares
from sessions
group by date, app, is_whole, topic, topic_id, topic_since
