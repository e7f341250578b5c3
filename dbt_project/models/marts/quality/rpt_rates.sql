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
        sum(unasked) as unasked,
        sum(unreached) as unreached,
        count(*) filter (passed + failed > 0) as sessions,
        sum(passed * passed) as passed_squared,
        sum(passed * (passed + failed)) as passed_times_scored,
        sum((passed + failed) * (passed + failed)) as scored_squared,
        min(least_inclusion) < max(most_inclusion) as is_weighted,
        sum(weighted_passed) as weighted_passed,
        sum(weighted_scored) as weighted_scored,
        sum(weighted_passed * weighted_passed) as weighted_passed_squared,
        sum(weighted_passed * weighted_scored) as weighted_passed_times_scored,
        sum(weighted_scored * weighted_scored) as weighted_scored_squared,
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
    cast(unasked as bigint) as unasked,
    cast(unreached as bigint) as unreached,
    sessions,
    {{ session_squares(
        'passed', '(passed + failed)', 'passed_squared', 'passed_times_scored', 'scored_squared'
    ) }} as session_ss,
    cast(scored_squared as double) as session_squares,
    case when is_weighted then round(weighted_passed / nullif(weighted_scored, 0), 10) end
        as weighted_rate,
    case when is_weighted then {{ weighted_variance(
        'weighted_passed',
        'weighted_scored',
        'weighted_passed_squared',
        'weighted_passed_times_scored',
        'weighted_scored_squared',
        'sessions'
    ) }} end as weighted_variance,
    round(weighted_scored, 6) as scored_weight,
    round(weight_squares, 6) as scored_weight_squares
from slices
