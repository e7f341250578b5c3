"""The runner: builds a night's worklist, gets missing answers, derives and writes scores.

Resumable, in constant memory. `worklist` chooses the questions, `calls` asks them, and the
evaluators interpret the answers.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from evals.calls import live
from evals.calls.day_budget import DayBudget
from evals.calls.requests import AskFunction, CallPlan, CallsResult
from evals.evaluators import guardrails, registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import Evaluate, EvaluatorByCode, Finding, Result
from evals.models import why_unavailable
from evals.records import Failure, GuardVerdict, Outcome, Score, Skip, Status, Trace, Verdict
from evals.runs import noise
from evals.specs import Evaluator
from evals.storage import ledger, night_state
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.tables import CanaryRow, Coverage, build_records
from evals.worklist import canaries
from evals.worklist.worklist import (
    NightTraces,
    Worklist,
    build_worklist,
    find_score_file,
    name_score_file,
    refresh_worklist,
)

COUNTED_COLUMNS = ("trace_id", "evaluator", "verdict", "status", "inclusion")
TEMPORARY_REASONS = frozenset({"outside-hours", "other-weights"})
"""Reasons to skip that may not apply to the next run."""


class Tally(NamedTuple):
    """Counts and cost of one evaluator's night of one application."""

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
    """Traces whose answers are expected from a batch."""
    usd: float


def score_evaluators(
    lake: Lake,
    night: NightTraces,
    evaluators: Sequence[Evaluator],
    references: GoldAndLabels,
    journal: ledger.Journal,
    *,
    ask: AskFunction = live.ask_live,
    budget: DayBudget | None = None,
    expect: Callable[[int], None] = lambda calls: None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Tally]:
    """Brings the scores of one night up to date; counts the calls it needs before the first.

    Args:
        lake: has the traces, answers and scores.
        night: the night's traces.
        evaluators: those of all its applications.
        references: gold and labels.
        journal: takes answers as they arrive.
        ask: how questions are asked.
        budget: the day's budget.
        expect: called with the number of calls needed, before the first of them.
        progress: called with the number of calls that were answered.
    """
    worklists: dict[int, Worklist] = {}
    wanted: set[tuple[str | None, str]] = set()
    for number, evaluator in enumerate(evaluators):
        if can_ask(evaluator):
            worklists[number] = work = build_worklist(lake, night, evaluator, references)
            wanted |= {(evaluator.answer_version, want.key) for want in work.wanted}
    expect(len(wanted))
    return [
        score_night(
            lake,
            night,
            evaluator,
            references,
            journal,
            ask=ask,
            budget=budget,
            progress=progress,
            earlier=worklists.pop(number, None),
        )
        for number, evaluator in enumerate(evaluators)
    ]


def can_ask(evaluator: Evaluator) -> bool:
    """Whether the evaluator asks a model that is available here."""
    return evaluator.pin is not None and why_unavailable(evaluator.pin) is None


def score_night(
    lake: Lake,
    night: NightTraces,
    evaluator: Evaluator,
    references: GoldAndLabels,
    journal: ledger.Journal,
    *,
    ask: AskFunction = live.ask_live,
    budget: DayBudget | None = None,
    progress: Callable[[int], None] = lambda done: None,
    earlier: Worklist | None = None,
) -> Tally:
    """Brings one evaluator's scores of one night of one application up to date.

    Takes the night × evaluator lock: a second writer waits, and then has nothing left to do. An
    earlier worklist is used where none of its files has changed.
    """
    stamp = night.night.isoformat()
    with lake.lock("scores", stamp, evaluator.name, evaluator.app):
        if evaluator.asks_model:
            with lake.lock("calls", evaluator.answer_version or ""):
                work = refresh_worklist(lake, earlier) if earlier else None
                work = work or build_worklist(lake, night, evaluator, references)
                call_result = ask_wanted(lake, work, journal, ask, budget, progress)
                counts = judge_night(lake, work, call_result)
                rows = build_canary_rows(lake, work, call_result)
                lake.write("canaries", work.night, rows, name_score_file(evaluator))
                noise.write_noise(lake, work, call_result.awaited)
        else:
            work, call_result = build_worklist(lake, night, evaluator, references), CallsResult()
            counts = write_scores(lake, work, derive_code_scores(night, work, references), 1.0)
        work.contents.close()
    return build_tally(work, call_result, counts)


def ask_wanted(
    lake: Lake,
    work: Worklist,
    journal: ledger.Journal,
    ask: AskFunction,
    budget: DayBudget | None,
    progress: Callable[[int], None],
) -> CallsResult:
    """Asks for the wanted answers, as far as the budget goes."""
    evaluator = work.evaluator
    if not work.wanted or evaluator.pin is None or evaluator.judge is None:
        return CallsResult()
    plan = CallPlan(work, evaluator.judge, evaluator.pin, journal, lake, budget, progress)
    return ask(plan.exclude_too_long())


def judge_night(lake: Lake, work: Worklist, call_result: CallsResult) -> ScoreCounts:
    """Derives a judge's scores from paid answers, and writes them.

    The verdict is the first answer's; further answers only measure the judge's noise. Contents
    that were not asked are the end of the hash order, so the rest is a sample at a lower rate.
    Contents that await a batch get no row: they are neither scored, nor skipped, nor an error.
    """
    traces_by_key: dict[str, list[str]] = {}
    for trace_id, sampled in work.chosen.items():
        if trace_id not in work.kept:
            traces_by_key.setdefault(sampled.key, []).append(trace_id)
    pending = sum(len(traces_by_key.pop(key, ())) for key in call_result.awaited)
    with ledger.open_index(lake, work.evaluator.answer_version or "", traces_by_key) as paid:
        missing = sum(len(ids) for key, ids in traces_by_key.items() if key not in paid.entries)
        answered = len(work.chosen) - missing if isinstance(call_result.rest, Skip) else 0
        reached = answered / len(work.chosen) if answered else 1.0
        return write_scores(
            lake,
            work,
            derive_judge_scores(work, paid, traces_by_key, call_result),
            reached,
            pending,
        )


def derive_judge_scores(
    work: Worklist,
    paid: ledger.AnswerIndex,
    traces_by_key: dict[str, list[str]],
    call_result: CallsResult,
) -> Iterator[Score]:
    """Derives scores from paid answers; a trace without an answer is skipped or an error."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    for answer in paid.read_answers():
        result, final = (
            model.read_answer(evaluator, answer),
            not paid.needs_call(answer.content_key),
        )
        for trace_id in traces_by_key.pop(answer.content_key, ()):
            yield build_score(work, trace_id, result, final=final)
    for trace_id in (trace_id for ids in traces_by_key.values() for trace_id in ids):
        yield build_score(work, trace_id, call_result.rest or Skip("budget"))


def build_canary_rows(lake: Lake, work: Worklist, call_result: CallsResult) -> list[CanaryRow]:
    """Builds the rows of a judge's verdicts on answers with an attack."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    keys = {key for canary in work.tried for key in (canary.clean, canary.key)}
    results: dict[str, Result] = dict.fromkeys(keys, call_result.rest or Skip("budget"))
    results |= dict.fromkeys(keys & call_result.awaited, Skip("awaited"))
    with ledger.open_index(lake, evaluator.answer_version or "", keys) as paid:
        results |= {a.content_key: model.read_answer(evaluator, a) for a in paid.read_answers()}
    return [
        canaries.build_row(
            work.night, evaluator, one.canary, results[one.clean], results[one.key]
        )._replace(clean_key=one.clean, attacked_key=one.key)
        for one in work.tried
    ]


def derive_code_scores(
    night: NightTraces, work: Worklist, references: GoldAndLabels
) -> Iterator[Score]:
    """Derives the scores of an evaluator that makes no call."""
    evaluator = work.evaluator
    if not work.todo:
        return
    evaluate = build_evaluate(evaluator, references)
    for trace in night.read_traces(evaluator):
        if trace.trace_id not in work.chosen or trace.trace_id in work.kept:
            continue
        for finding in evaluate(trace):
            yield build_score(work, trace.trace_id, finding.result, finding.annotator)


def build_evaluate(evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
    """Returns the evaluator's function; an exception it raises becomes an error, not a verdict."""
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
    """Returns a function that reports an exception of the evaluator as an error of each trace."""
    failure = Failure("evaluator-defect", f"{type(error).__name__}: {error}"[:300])
    return lambda trace: (Finding(failure),)


def build_score(
    work: Worklist,
    trace_id: str,
    result: Result,
    annotator: str | None = None,
    *,
    final: bool = False,
) -> Score:
    """Builds the row of a result.

    Args:
        work: the worklist the trace is in.
        trace_id: the trace.
        result: what the evaluator found, or why it found nothing.
        annotator: the name stored with the score; None: the evaluator's.
        final: whether an error is not retried.
    """
    evaluator, sampled = work.evaluator, work.chosen[trace_id]
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
    """By verdict, or by status where there is no verdict."""
    by_evaluator: Counter[str]


def write_scores(
    lake: Lake, work: Worklist, derived: Iterable[Score], reached: float, pending: int = 0
) -> ScoreCounts:
    """Replaces the night's score file, a batch in memory at a time, and its coverage.

    Args:
        lake: has the file.
        work: the worklist the scores are of.
        derived: the new scores.
        reached: the share of the sample that was asked.
        pending: how many traces' answers are expected from a batch.
    """
    name, counts = name_score_file(work.evaluator), ScoreCounts(Counter(), Counter())
    if not work.todo and (current := count_if_current(lake, work, reached)):
        write_coverage(lake, work, current)
        return current
    with lake.open_writer("scores", work.night, name) as writer:
        for rows in (read_kept_scores(lake, work), derived):
            for row in rows:
                inclusion = round(work.chosen[row.trace_id].inclusion * reached, 12)
                writer.add(dataclasses.replace(row, inclusion=inclusion))
                counts.by_verdict[row.verdict or row.status] += 1
                counts.by_evaluator[row.evaluator] += 1
    counts.by_verdict["pending"] = pending
    write_coverage(lake, work, counts)
    return counts


def count_if_current(lake: Lake, work: Worklist, reached: float) -> ScoreCounts | None:
    """Counts the rows of a score file that is current; None where it has to be rewritten."""
    path = find_score_file(lake, work.night, work.evaluator)
    counts = ScoreCounts(Counter(), Counter())
    for rows in stream_rows(path, COUNTED_COLUMNS) if path.exists() else ():
        for row in rows:
            sampled = work.chosen.get(row["trace_id"])
            if sampled is None or row["inclusion"] != round(sampled.inclusion * reached, 12):
                return None
            counts.by_verdict[row["verdict"] or row["status"]] += 1
            counts.by_evaluator[row["evaluator"]] += 1
    return counts if path.exists() else None


def read_kept_scores(lake: Lake, work: Worklist) -> Iterator[Score]:
    """Reads the stored scores that are current."""
    path = find_score_file(lake, work.night, work.evaluator)
    for rows in stream_rows(path) if work.kept else ():
        for row in build_records(Score, rows):
            if row.trace_id in work.kept:
                yield row


def write_coverage(lake: Lake, work: Worklist, counts: ScoreCounts) -> None:
    """Writes how many traces the evaluator covers and how many it sampled."""
    evaluator = work.evaluator
    about = (work.night, evaluator.app, evaluator.dimension)
    sampled = {evaluator.name: len(work.chosen)}
    if names_others(evaluator):
        sampled = dict(sorted(counts.by_evaluator.items()))
    covers = [
        Coverage(*about, name, evaluator.version, work.covered, n, counts.by_verdict["pending"])
        for name, n in sampled.items()
    ]
    lake.write("coverage", work.night, covers, name_score_file(evaluator))


def names_others(evaluator: Evaluator) -> bool:
    """Whether scores carry the names of the annotators who gave the verdicts."""
    kind = registry.type_of(evaluator)
    return isinstance(kind, EvaluatorByCode) and kind.names_others


def build_tally(work: Worklist, call_result: CallsResult, counts: ScoreCounts) -> Tally:
    """Builds the tally of one evaluator's night."""
    evaluator, rows = work.evaluator, counts.by_verdict
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=work.night,
        covered=work.covered,
        sampled=len(work.chosen),
        reused=len(work.kept),
        calls=call_result.calls,
        passed=rows["pass"],
        failed=rows["fail"],
        errored=rows["error"],
        skipped=rows["skipped"],
        pending=rows["pending"],
        usd=round(call_result.usd, 9),
    )


def guard_night(lake: Lake, night: date) -> list[GuardVerdict]:
    """Derives a night's guardrail verdicts from its scores and writes them; makes no call."""
    rows: list[GuardVerdict] = []
    for app, versions in sorted(night_state.read_state(lake, night).evaluators.items()):
        for name, version in sorted(versions.items()):
            evaluator = read_evaluator(lake, name, app, version)
            if evaluator.guardrail is None:
                continue
            path = find_score_file(lake, night, evaluator)
            decided = (
                guardrails.judge_score(s, evaluator.guardrail)
                for s in lake.stream_file("scores", path)
            )
            rows += [verdict for verdict in decided if verdict is not None]
    lake.write("verdicts", night, rows)
    return rows
