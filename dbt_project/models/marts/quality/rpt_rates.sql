with slices as (
    select
        date,
        app,
        dimension,
        evaluator,
        evaluator_version,
        kind,
        slice,
        sum(passed) as passed,
        sum(failed) as failed,
        sum(errored) as errored,
        sum(skipped) as skipped,
        count(*) filter (passed + failed > 0) as sessions,
        sum(passed * passed) as pp,
        sum(passed * (passed + failed)) as ps,
        sum((passed + failed) * (passed + failed)) as ss,
        min(least_inclusion) < max(most_inclusion) as weighs,
        sum(weighted_passed) as wp,
        sum(weighted_scored) as ws,
        sum(weighted_passed * weighted_passed) as wpp,
        sum(weighted_passed * weighted_scored) as wps,
        sum(weighted_scored * weighted_scored) as wss,
        sum(weight_squares) as weight_squares
    from {{ ref('int_session_counts') }}
    group by date, app, dimension, evaluator, evaluator_version, kind, slice
)

select
    date,
    app,
    dimension,
    evaluator,
    evaluator_version,
    kind,
    slice,
    cast(passed + failed + errored + skipped as bigint) as n,
    cast(passed as bigint) as passed,
    cast(failed as bigint) as failed,
    cast(errored as bigint) as errored,
    cast(skipped as bigint) as skipped,
    sessions,
    {{ session_ss('passed', '(passed + failed)', 'pp', 'ps', 'ss') }} as session_ss,
    case when weighs then round(wp / nullif(ws, 0), 10) end as weighted_rate,
    case when weighs then {{ weighted_variance('wp', 'ws', 'wpp', 'wps', 'wss', 'sessions') }} end
        as weighted_variance,
    round(ws, 6) as scored_weight,
    round(weight_squares, 6) as scored_weight_squares
from slices
