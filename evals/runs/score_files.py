"""The score file of one evaluator's night, and how many traces it covers.

`runner` derives the scores; `worklist` names the file and finds the rows in it that are current.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from evals.evaluators import registry
from evals.evaluators.protocol import EvaluatorByCode, Result
from evals.records import Failure, Outcome, Score, Skip, Status, Verdict
from evals.specs import Evaluator
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.record_tables import build_records
from evals.table_rows import Coverage
from evals.worklist.worklist import SampledTrace, Worklist, find_score_file, name_score_file

COUNTED_COLUMNS = ("trace_id", "evaluator", "verdict", "status", "inclusion")
EVERY_ONE: Mapping[str, float] = MappingProxyType({})
"""Where every question was asked."""
TEMPORARY_REASONS = frozenset(
    {"outside-hours", "other-weights", "night-deadline", "provider-down", "rate-limited"}
)
"""Reasons to skip that may not apply to the next run."""
NOT_ASKED = TEMPORARY_REASONS | {"budget"}
"""Reasons to skip a question that another run asks."""
UNASKED = NOT_ASKED | {"no-model", "no-key"}
"""Reasons to skip a question that was due; the dbt macro `is_unasked` has the same."""


def build_score(
    work: Worklist,
    trace_id: str,
    result: Result,
    annotator: str | None = None,
    *,
    final: bool = False,
) -> Score:
    """Builds the row of a trace's result.

    The score carries the name of the annotator, if there is one, else the evaluator's. A `final`
    error is not retried.
    """
    evaluator, sampled = work.evaluator, work.sample[trace_id]
    stored = store_result(result, final=final)
    return Score(
        trace_id=trace_id,
        night=work.night,
        app=evaluator.app,
        dimension=evaluator.dimension,
        evaluator=annotator or evaluator.name,
        evaluator_version=evaluator.version,
        kind=evaluator.kind,
        status=stored.status,
        verdict=stored.verdict,
        value=stored.value,
        explanation=stored.explanation,
        code=stored.code,
        retryable=stored.retryable,
        content_key=sampled.key,
        answer_version=evaluator.answer_version,
        inclusion=sampled.inclusion,
        subject=evaluator.subject,
        subject_id=sampled.session_id,
    )


class StoredResult(NamedTuple):
    """The columns of a score that hold its result."""

    status: Status
    verdict: Verdict | None
    value: float | None
    explanation: str
    code: str | None
    retryable: bool


def store_result(result: Result, *, final: bool) -> StoredResult:
    """Returns a result as columns of a score."""
    match result:
        case Outcome(passed, value, explanation):
            verdict = "pass" if passed else "fail"
            return StoredResult("scored", verdict, value, explanation, None, retryable=False)
        case Failure(code, message, retryable):
            again = retryable and not final
            return StoredResult("error", None, None, message, code, again)
        case Skip(reason):
            return StoredResult("skipped", None, None, "", reason, reason in TEMPORARY_REASONS)


class ScoreCounts(NamedTuple):
    """How many rows a score file has."""

    by_verdict: Counter[str]
    """By verdict, or by status where there is no verdict; of the skipped, `unasked` counts those
    that another run asks."""
    by_evaluator: Counter[str]


def write_scores(
    lake: Lake,
    work: Worklist,
    derived: Iterable[Score],
    reached: Mapping[str, float] = EVERY_ONE,
    pending: int = 0,
) -> ScoreCounts:
    """Replaces the night's score file, a batch in memory at a time, and its coverage.

    Args:
        lake: has the file.
        work: the worklist the scores are of.
        derived: the new scores.
        reached: the probability with which each content was asked; of others it is 1.
        pending: how many traces' answers are expected from a batch.
    """
    name, counts = name_score_file(work.evaluator), ScoreCounts(Counter(), Counter())
    if not work.remaining and (current := count_if_current(lake, work, reached)):
        write_coverage(lake, work, current)
        return current
    with lake.open_writer("scores", work.night, name) as writer:
        for rows in (read_current_scores(lake, work), derived):
            for row in rows:
                inclusion = find_inclusion(work.sample[row.trace_id], reached)
                writer.add(dataclasses.replace(row, inclusion=inclusion))
                counts.by_verdict[row.verdict or row.status] += 1
                counts.by_evaluator[row.evaluator] += 1
                counts.by_verdict["unasked"] += row.code in NOT_ASKED
    counts.by_verdict["pending"] = pending
    write_coverage(lake, work, counts)
    return counts


def find_inclusion(sampled: SampledTrace, reached: Mapping[str, float]) -> float:
    """Returns the probability with which a trace was sampled, and its content asked."""
    return round(sampled.inclusion * reached.get(sampled.key, 1.0), 12)


def count_if_current(
    lake: Lake, work: Worklist, reached: Mapping[str, float]
) -> ScoreCounts | None:
    """Counts the rows of a score file that is current; None where it has to be rewritten."""
    path = find_score_file(lake, work.night, work.evaluator)
    counts = ScoreCounts(Counter(), Counter())
    for rows in stream_rows(path, COUNTED_COLUMNS) if path.exists() else ():
        for row in rows:
            sampled = work.sample.get(row["trace_id"])
            if sampled is None or row["inclusion"] != find_inclusion(sampled, reached):
                return None
            counts.by_verdict[row["verdict"] or row["status"]] += 1
            counts.by_evaluator[row["evaluator"]] += 1
    return counts if path.exists() else None


def read_current_scores(lake: Lake, work: Worklist) -> Iterator[Score]:
    """Reads the stored scores that are current."""
    path = find_score_file(lake, work.night, work.evaluator)
    for rows in stream_rows(path) if work.current else ():
        for row in build_records(Score, rows):
            if row.trace_id in work.current:
                yield row


def write_coverage(lake: Lake, work: Worklist, counts: ScoreCounts) -> None:
    """Writes how many traces the evaluator covers and how many it sampled."""
    evaluator = work.evaluator
    about = (work.night, evaluator.app, evaluator.dimension)
    sampled = {evaluator.name: len(work.sample)}
    if names_others(evaluator):
        sampled = dict(sorted(counts.by_evaluator.items()))
    covers = [
        Coverage(
            *(*about, name, evaluator.version, work.covered, n),
            pending=counts.by_verdict["pending"],
            gold_rows=work.gold.rows,
            gold_matched=work.gold.matched,
            gold_version=work.gold.version,
        )
        for name, n in sampled.items()
    ]
    lake.write("coverage", work.night, covers, name_score_file(evaluator))


def names_others(evaluator: Evaluator) -> bool:
    """Whether scores carry the names of the annotators who gave the verdicts."""
    kind = registry.type_of(evaluator)
    return isinstance(kind, EvaluatorByCode) and kind.names_others
