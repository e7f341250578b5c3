"""The one batch runner: surveys a night, has the rest asked, derives scores and keeps them.

Resumable and flat in memory; what has to be asked is the survey's, how it is asked `asking`'s,
what a verdict means the evaluators'.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.calls import live
from evals.calls.day_budget import DayBudget
from evals.calls.requests import AskFunction, CallPlan, CallsResult
from evals.evaluators import guardrails, registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import Evaluate, EvaluatorByCode, Finding
from evals.models import why_unavailable
from evals.records import Failure, GuardVerdict, Outcome, Score, Skip, Trace
from evals.runs import noise
from evals.specs import Evaluator
from evals.storage import ledger, night_state
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake
from evals.storage.tables import CanaryRow, Coverage, from_rows
from evals.worklist import canaries
from evals.worklist.worklist import (
    NightTraces,
    Worklist,
    build_worklist,
    name_score_file,
    refresh_worklist,
)

Found = Outcome | Failure | Skip
COUNTED_COLUMNS = ("trace_id", "evaluator", "verdict", "status", "inclusion")
TEMPORARY_REASONS = frozenset({"outside-hours", "other-weights"})
"""Reasons to skip that another run may not have."""


class Tally(NamedTuple):
    """What one evaluator did to one night of one application."""

    evaluator: str
    evaluator_version: str
    app: str
    night: date
    covered: int
    sampled: int
    reused: int
    calls: int
    passed: int
    failed: int
    errored: int
    skipped: int
    pending: int
    """Traces whose answers come with a batch."""
    usd: float


def score_evaluators(
    lake: Lake,
    night: NightTraces,
    evaluators: Sequence[Evaluator],
    references: GoldAndLabels,
    journal: ledger.Journal,
    *,
    ask: AskFunction = live.ask_live,
    purse: DayBudget | None = None,
    expect: Callable[[int], None] = lambda calls: None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Tally]:
    """Brings the scores of one night up to date; what models are asked is surveyed before.

    Args:
        lake: where traces, answers and scores rest.
        night: the night's traces.
        evaluators: of all its applications.
        references: gold and labels.
        journal: takes answers as they arrive.
        ask: how questions are asked.
        purse: the day's budget.
        expect: hears how many calls are wanted, before the first of them.
        progress: hears how many calls were answered.
    """
    surveys: dict[int, Worklist] = {}
    wanted: set[tuple[str | None, str]] = set()
    for number, evaluator in enumerate(evaluators):
        if can_ask(evaluator):
            surveys[number] = found = build_worklist(lake, night, evaluator, references)
            wanted |= {(evaluator.answer_version, want.key) for want in found.wanted}
    expect(len(wanted))
    return [
        score_night(
            lake,
            night,
            evaluator,
            references,
            journal,
            ask=ask,
            purse=purse,
            progress=progress,
            before=surveys.pop(number, None),
        )
        for number, evaluator in enumerate(evaluators)
    ]


def can_ask(evaluator: Evaluator) -> bool:
    """Whether the evaluator asks a model that is at hand here."""
    return evaluator.pin is not None and why_unavailable(evaluator.pin) is None


def score_night(
    lake: Lake,
    night: NightTraces,
    evaluator: Evaluator,
    references: GoldAndLabels,
    journal: ledger.Journal,
    *,
    ask: AskFunction = live.ask_live,
    purse: DayBudget | None = None,
    progress: Callable[[int], None] = lambda done: None,
    before: Worklist | None = None,
) -> Tally:
    """Brings one evaluator's scores of one night of one application up to date.

    Holds the night × evaluator lock; a second writer waits, re-plans, and finds it done. A survey
    made before is used where nothing it rests on has changed.
    """
    stamp = night.night.isoformat()
    with lake.lock("scores", stamp, evaluator.name, evaluator.app):
        if evaluator.asks_model:
            with lake.lock("calls", evaluator.answer_version or ""):
                work = refresh_worklist(lake, before) if before else None
                work = work or build_worklist(lake, night, evaluator, references)
                asked = ask_wanted(lake, work, journal, ask, purse, progress)
                counts = judge_night(lake, work, asked)
                rows = build_canary_rows(lake, work, asked)
                lake.write("canaries", work.night, rows, name_score_file(evaluator))
                noise.write_noise(lake, work, asked.awaited)
        else:
            work, asked = build_worklist(lake, night, evaluator, references), CallsResult()
            counts = write_scores(lake, work, derive_code_scores(night, work, references), 1.0)
        work.contents.close()
    return build_tally(work, asked, counts)


def ask_wanted(
    lake: Lake,
    work: Worklist,
    journal: ledger.Journal,
    ask: AskFunction,
    purse: DayBudget | None,
    progress: Callable[[int], None],
) -> CallsResult:
    """Has asked what is wanted, as far as the budget goes."""
    evaluator = work.evaluator
    if not work.wanted or evaluator.pin is None or evaluator.judge is None:
        return CallsResult()
    asking = CallPlan(work, evaluator.judge, evaluator.pin, journal, lake, purse, progress)
    return ask(asking.exclude_too_long())


def judge_night(lake: Lake, work: Worklist, asked: CallsResult) -> ScoreCounts:
    """Derives a judge's scores from what is paid, and keeps them.

    A verdict is the first answer's, however many there are: they measure the judge's noise.
    What was not asked is the end of the hash order: the rest is a sample at the rate it reached.
    What a batch is out for has no row yet: it is neither scored, nor skipped, nor an error.
    """
    showing: dict[str, list[str]] = {}
    for trace_id, one in work.chosen.items():
        if trace_id not in work.kept:
            showing.setdefault(one.key, []).append(trace_id)
    pending = sum(len(showing.pop(key, ())) for key in asked.awaited)
    with ledger.paid(lake, work.evaluator.answer_version or "", showing) as paid:
        silent = sum(len(names) for key, names in showing.items() if key not in paid.found)
        asks = len(work.chosen) - silent if isinstance(asked.rest, Skip) else 0
        reached = asks / len(work.chosen) if asks else 1.0
        return write_scores(
            lake, work, derive_judge_scores(work, paid, showing, asked), reached, pending
        )


def derive_judge_scores(
    work: Worklist, paid: ledger.Paid, showing: dict[str, list[str]], asked: CallsResult
) -> Iterator[Score]:
    """Scores from paid answers; what has no answer is skipped or an error, and says why."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    for answer in paid.answers():
        found, final = model.read_answer(evaluator, answer), not paid.needs(answer.content_key)
        for trace_id in showing.pop(answer.content_key, ()):
            yield build_score(work, trace_id, found, final=final)
    for trace_id in (name for names in showing.values() for name in names):
        yield build_score(work, trace_id, asked.rest or Skip("budget"))


def build_canary_rows(lake: Lake, work: Worklist, asked: CallsResult) -> list[CanaryRow]:
    """What the judge said of answers that carried an attack."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    keys = {key for one in work.tried for key in (one.clean, one.key)}
    found: dict[str, Found] = dict.fromkeys(keys, asked.rest or Skip("budget"))
    found |= dict.fromkeys(keys & asked.awaited, Skip("awaited"))
    with ledger.paid(lake, evaluator.answer_version or "", keys) as paid:
        found |= {one.content_key: model.read_answer(evaluator, one) for one in paid.answers()}
    return [
        canaries.build_row(
            work.night, evaluator, one.canary, found[one.clean], found[one.key]
        )._replace(clean_key=one.clean, attacked_key=one.key)
        for one in work.tried
    ]


def derive_code_scores(
    night: NightTraces, work: Worklist, references: GoldAndLabels
) -> Iterator[Score]:
    """Scores that need no call."""
    evaluator = work.evaluator
    if not work.todo:
        return
    evaluate = build_evaluate(evaluator, references)
    for trace in night.traces(evaluator):
        if trace.trace_id not in work.chosen or trace.trace_id in work.kept:
            continue
        for found in evaluate(trace):
            yield build_score(work, trace.trace_id, found.result, evaluator=found.annotator)


def build_evaluate(evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
    """How an evaluator evaluates; a defect in it is an error row, not a verdict."""
    try:
        evaluate = registry.code_of(evaluator).evaluate(evaluator, references)
    except Exception as error:
        return report_defect(error)

    def evaluate_one(trace: Trace) -> Iterable[Finding]:
        try:
            return tuple(evaluate(trace))
        except Exception as error:
            return report_defect(error)(trace)

    return evaluate_one


def report_defect(error: Exception) -> Evaluate:
    """Every trace of an evaluator that cannot work is an error."""
    failure = Failure("evaluator-defect", f"{type(error).__name__}: {error}"[:300])
    return lambda trace: (Finding(failure),)


def build_score(
    work: Worklist,
    trace_id: str,
    found: Found,
    *,
    evaluator: str | None = None,
    final: bool = False,
) -> Score:
    """What was found as a row of the ledger."""
    one = work.chosen[trace_id]
    about: dict[str, Any] = {
        "trace_id": trace_id,
        "night": work.night,
        "app": work.evaluator.app,
        "dimension": work.evaluator.dimension,
        "evaluator": evaluator or work.evaluator.name,
        "evaluator_version": work.evaluator.version,
        "kind": work.evaluator.kind,
        "content_key": one.key,
        "answer_version": work.evaluator.answer_version,
        "inclusion": one.inclusion,
        "subject": work.evaluator.subject,
    }
    nothing: dict[str, Any] = {"verdict": None, "value": None}
    match found:
        case Outcome(passed, value, explanation):
            verdict = "pass" if passed else "fail"
            said = {"verdict": verdict, "value": value, "explanation": explanation, "code": None}
            return Score(**about, **said, status="scored")
        case Failure(code, message, retryable):
            again = retryable and not final
            said = {"explanation": message, "code": code, "retryable": again}
            return Score(**about, **nothing, **said, status="error")
        case Skip(reason):
            said = {"explanation": "", "code": reason, "retryable": reason in TEMPORARY_REASONS}
            return Score(**about, **nothing, **said, status="skipped")


class ScoreCounts(NamedTuple):
    """The rows of a score file, counted while they were written."""

    by_verdict: Counter[str]
    """By verdict where there is one, by status where there is none."""
    by_evaluator: Counter[str]


def write_scores(
    lake: Lake, work: Worklist, found: Iterable[Score], reached: float, pending: int = 0
) -> ScoreCounts:
    """Replaces the night's score file, a batch in memory at a time, and its coverage.

    Args:
        lake: where it rests.
        work: the survey it answers.
        found: the scores derived anew.
        reached: the share of the sample that was asked.
        pending: traces whose answers come with a batch.
    """
    name, counts = name_score_file(work.evaluator), ScoreCounts(Counter(), Counter())
    if not work.todo and (true := count_if_current(lake, work, reached)):
        write_coverage(lake, work, true)
        return true
    with lake.writing("scores", work.night, name) as writer:
        for rows in (read_kept_scores(lake, work), found):
            for row in rows:
                inclusion = round(work.chosen[row.trace_id].inclusion * reached, 12)
                writer.add(dataclasses.replace(row, inclusion=inclusion))
                counts.by_verdict[row.verdict or row.status] += 1
                counts.by_evaluator[row.evaluator] += 1
    counts.by_verdict["pending"] = pending
    write_coverage(lake, work, counts)
    return counts


def count_if_current(lake: Lake, work: Worklist, reached: float) -> ScoreCounts | None:
    """The counts of a score file that is true as it is; None where it has to be written anew."""
    path = lake.partition("scores", work.night) / f"{name_score_file(work.evaluator)}.parquet"
    counts = ScoreCounts(Counter(), Counter())
    for rows in parquet_batches(path, COUNTED_COLUMNS) if path.exists() else ():
        for row in rows:
            one = work.chosen.get(row["trace_id"])
            if one is None or row["inclusion"] != round(one.inclusion * reached, 12):
                return None
            counts.by_verdict[row["verdict"] or row["status"]] += 1
            counts.by_evaluator[row["evaluator"]] += 1
    return counts if path.exists() else None


def read_kept_scores(lake: Lake, work: Worklist) -> Iterator[Score]:
    """The stored scores that are still true."""
    path = lake.partition("scores", work.night) / f"{name_score_file(work.evaluator)}.parquet"
    for rows in parquet_batches(path) if work.kept else ():
        for row in from_rows(Score, rows):
            if row.trace_id in work.kept:
                yield row


def write_coverage(lake: Lake, work: Worklist, counts: ScoreCounts) -> None:
    """How many traces the evaluator covers and how many it looked at."""
    evaluator = work.evaluator
    about = (work.night, evaluator.app, evaluator.dimension)
    sampled = {evaluator.name: len(work.chosen)}
    if names_others(evaluator):
        sampled = dict(sorted(counts.by_evaluator.items()))
    covers = [
        Coverage(*about, who, evaluator.version, work.covered, n, counts.by_verdict["pending"])
        for who, n in sampled.items()
    ]
    lake.write("coverage", work.night, covers, name_score_file(evaluator))


def names_others(evaluator: Evaluator) -> bool:
    """Whether the scores go under the names of those who gave the verdicts."""
    found = registry.type_of(evaluator)
    return isinstance(found, EvaluatorByCode) and found.names_others


def build_tally(work: Worklist, asked: CallsResult, counts: ScoreCounts) -> Tally:
    """The counts of one night's work."""
    evaluator, rows = work.evaluator, counts.by_verdict
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=work.night,
        covered=work.covered,
        sampled=len(work.chosen),
        reused=len(work.kept),
        calls=asked.calls,
        passed=rows["pass"],
        failed=rows["fail"],
        errored=rows["error"],
        skipped=rows["skipped"],
        pending=rows["pending"],
        usd=round(asked.usd, 9),
    )


def guard_night(lake: Lake, night: date) -> list[GuardVerdict]:
    """Turns a night's guardrail scores into verdicts and keeps them; no call is made."""
    rows = []
    for app, versions in sorted(night_state.read_state(lake, night).evaluators.items()):
        for name, version in sorted(versions.items()):
            evaluator = read_evaluator(lake, name, app, version)
            if evaluator.guardrail is None:
                continue
            path = lake.partition("scores", night) / f"{name_score_file(evaluator)}.parquet"
            decided = (
                guardrails.judge_score(s, evaluator.guardrail) for s in lake.each("scores", path)
            )
            rows += [verdict for verdict in decided if verdict is not None]
    lake.write("verdicts", night, rows)
    return rows
