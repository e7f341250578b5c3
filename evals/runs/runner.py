"""The runner: builds a night's worklist, gets missing answers, derives and writes scores.

Resumable, in constant memory. `worklist` chooses the questions, `calls` asks them, the evaluators
interpret the answers, and `score_files` stores the scores.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from evals.calls import live
from evals.calls.day_budget import DayBudget
from evals.calls.requests import AskFunction, CallPlan, CallsResult
from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import Evaluate, EvaluatorByVerdicts, Finding
from evals.models import why_unavailable
from evals.records import Failure, Score, Skip, Trace, Verdict
from evals.runs import noise
from evals.runs.model_servers import record_answers
from evals.runs.paid_verdicts import find_reached, list_all_keys, read_results, read_verdicts
from evals.runs.pairs import write_pairs
from evals.runs.part_counts import write_part_counts
from evals.runs.score_files import ScoreCounts, build_score, write_scores
from evals.specs import Evaluator
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError
from evals.table_rows import AnchorRow, CanaryRow
from evals.worklist import anchors, canaries
from evals.worklist.night_contents import NightTraces
from evals.worklist.peer_verdicts import join_verdicts, read_peers
from evals.worklist.previous_answers import add_previous
from evals.worklist.worklist import (
    Worklist,
    build_worklist,
    name_content,
    name_score_file,
    refresh_worklist,
)


@dataclass(frozen=True)
class ScoringRun:
    """What one run scores nights with."""

    lake: Lake
    """Has the traces, answers and scores."""
    references: GoldAndLabels
    journal: ledger.Journal
    """Takes answers as they arrive."""
    ask: AskFunction = live.ask_live
    """How questions are asked."""
    budget: DayBudget | None = None
    """The day's budget; None: no limit."""
    expect: Callable[[int], None] = lambda calls: None
    """Called with the number of calls that a night needs, before the first of them."""
    progress: Callable[[int], None] = lambda calls: None
    """Called with the number of calls that were answered."""


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
    unasked: int = 0
    """Traces left to another run: skipped, since their questions were not asked."""
    why: str | None = None
    """Why not all questions were asked: the reason or the error's code."""


def score_evaluators(
    run: ScoringRun, night: NightTraces, evaluators: Sequence[Evaluator]
) -> list[Tally]:
    """Brings the scores of one night up to date; counts the calls it needs before the first.

    Args:
        run: what the night is scored with.
        night: the night's traces.
        evaluators: those of all its applications.
    """
    worklists: dict[int, Worklist] = {}
    wanted: set[tuple[str | None, str]] = set()
    for number, evaluator in enumerate(evaluators):
        if can_ask(evaluator):
            work = build_worklist(run.lake, night, evaluator, run.references)
            worklists[number] = work
            wanted |= {(evaluator.answer_version, want.key) for want in work.wanted}
    run.expect(len(wanted))
    return [
        score_night(run, night, evaluator, worklists.pop(number, None))
        for number, evaluator in enumerate(evaluators)
    ]


def can_ask(evaluator: Evaluator) -> bool:
    """Whether the evaluator asks a model that is available here."""
    return evaluator.pin is not None and why_unavailable(evaluator.pin) is None


def score_night(
    run: ScoringRun, night: NightTraces, evaluator: Evaluator, earlier: Worklist | None = None
) -> Tally:
    """Brings one evaluator's scores of one night of one application up to date.

    Takes the night × evaluator lock: a second writer waits, and then has nothing left to do; one
    that waits past the night's deadline leaves the evaluator's night to the first. An earlier
    worklist is used where none of its files has changed.
    """
    began, lake = time.monotonic(), run.lake
    parts = ("scores", night.night.isoformat(), evaluator.name, evaluator.app)
    pin = evaluator.pin if evaluator.asks_model else None
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lake.lock(*parts, wait=pin.night_deadline_s if pin else True))
        except LockHeldError:
            return leave_night(night, evaluator)
        if pin:
            work, call_result, counts = score_by_model(run, night, evaluator, earlier, began)
        else:
            references = add_previous(lake, night.night, evaluator, run.references)
            work = build_worklist(lake, night, evaluator, references)
            call_result = CallsResult()
            kind = registry.type_of(evaluator)
            scores = (
                derive_panel_scores(lake, work, kind)
                if isinstance(kind, EvaluatorByVerdicts)
                else derive_code_scores(night, work, references)
            )
            counts = write_scores(lake, work, scores)
            write_part_counts(lake, night, work, references)
        work.contents.close()
    return build_tally(work, call_result, counts)


def leave_night(night: NightTraces, evaluator: Evaluator) -> Tally:
    """Returns the tally of a night that another process still evaluates."""
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=night.night,
        covered=0,
        sampled=0,
        reused=0,
        calls=0,
        passed=0,
        failed=0,
        errored=0,
        skipped=0,
        pending=0,
        usd=0.0,
        why=live.PAST_DEADLINE.reason,
    )


def score_by_model(
    run: ScoringRun,
    night: NightTraces,
    evaluator: Evaluator,
    earlier: Worklist | None,
    began: float,
) -> tuple[Worklist, CallsResult, ScoreCounts]:
    """Asks for missing answers, and derives the scores from all there are.

    One process at a time asks for the answers of a version. Whoever waits for that past the
    night's deadline asks nothing.
    """
    lake, pin = run.lake, evaluator.pin
    left_s = pin.night_deadline_s - (time.monotonic() - began) if pin else 0.0
    with contextlib.ExitStack() as stack:
        try:
            version = evaluator.answer_version or ""
            stack.enter_context(lake.lock("calls", version, wait=max(left_s, 0.0)))
            is_turn = True
        except LockHeldError:
            is_turn = False
        work = refresh_worklist(lake, earlier) if earlier else None
        work = work or build_worklist(lake, night, evaluator, run.references)
        rest = CallsResult(rest=live.PAST_DEADLINE if work.wanted else None)
        call_result = ask_wanted(run, work, time.monotonic() - began) if is_turn else rest
        if work.anchors:
            lake.write(
                "anchors", work.night, build_anchor_rows(lake, work, call_result),
                name_score_file(evaluator),
            )  # fmt: skip
        counts = judge_night(lake, work, call_result)
        rows = build_canary_rows(lake, work, call_result)
        lake.write("canaries", work.night, rows, name_score_file(evaluator))
        noise.write_noise(lake, work, call_result.awaited)
        write_pairs(lake, night, work, run.references)
    return work, call_result, counts


def ask_wanted(run: ScoringRun, work: Worklist, waited_s: float = 0.0) -> CallsResult:
    """Asks for the wanted answers, as far as the budget goes and until the night's deadline."""
    judge, pin = work.evaluator.judge, work.evaluator.pin
    if not work.wanted or pin is None or judge is None:
        return CallsResult()
    plan = CallPlan(work, judge, pin, run.journal, run.lake, run.budget, run.progress, waited_s)
    return run.ask(plan.exclude_too_long())


def judge_night(lake: Lake, work: Worklist, call_result: CallsResult) -> ScoreCounts:
    """Derives a judge's scores from paid answers, and writes them.

    The verdict is the first answer's; further answers only measure the judge's noise. Contents
    that await a batch get no row: they are neither scored, nor skipped, nor an error.
    """
    traces_by_key: dict[str, list[str]] = {}
    for trace_id, sampled in work.sample.items():
        if trace_id not in work.current and not sampled.is_skipped:
            traces_by_key.setdefault(sampled.key, []).append(trace_id)
    awaited = {name_content(work.evaluator, key) for key in call_result.awaited}
    pending = sum(len(traces_by_key.pop(key, ())) for key in awaited)
    asked = list_all_keys(work.evaluator, traces_by_key)
    with ledger.open_index(lake, work.evaluator.answer_version or "", asked) as paid:
        if any(entry.code is None for entry in paid.entries.values()):
            record_answers(lake, work.evaluator)
        is_partial = isinstance(call_result.rest, Skip) and asked - paid.entries.keys()
        reached = find_reached(lake, work, awaited) if is_partial else {}
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
    for trace_id, sampled in work.sample.items():
        if sampled.skip and trace_id not in work.current:
            yield build_score(work, trace_id, sampled.skip)
    for verdict in read_verdicts(work.evaluator, paid):
        for trace_id in traces_by_key.pop(verdict.key, ()):
            yield build_score(work, trace_id, verdict.result, final=verdict.is_final)
    for trace_id in (trace_id for ids in traces_by_key.values() for trace_id in ids):
        yield build_score(work, trace_id, call_result.rest or Skip("budget"))


def build_anchor_rows(lake: Lake, work: Worklist, call_result: CallsResult) -> list[AnchorRow]:
    """Builds the rows of a judge's verdicts on answers of earlier nights."""
    keys = [anchor.key for anchor in work.anchors]
    results = read_results(lake, work.evaluator, keys, call_result)
    return [
        anchors.build_row(work.night, work.evaluator, anchor, results[anchor.key])
        for anchor in work.anchors
    ]


def build_canary_rows(lake: Lake, work: Worklist, call_result: CallsResult) -> list[CanaryRow]:
    """Builds the rows of a judge's verdicts on answers with an attack."""
    evaluator = work.evaluator
    keys = {key for canary in work.canaries for key in canary.keys}
    results = read_results(lake, evaluator, keys, call_result)
    return [
        canaries.build_row(
            work.night,
            evaluator,
            canary.canary,
            results[canary.clean_key],
            results[canary.attacked_key],
        )._replace(clean_key=canary.clean_key, attacked_key=canary.attacked_key)
        for canary in work.canaries
    ]


def derive_code_scores(
    night: NightTraces, work: Worklist, references: GoldAndLabels
) -> Iterator[Score]:
    """Derives the scores of an evaluator that makes no call."""
    evaluator = work.evaluator
    if not work.remaining:
        return
    evaluate = build_evaluate(evaluator, references)
    for trace in night.read_traces(evaluator):
        if trace.trace_id not in work.sample or trace.trace_id in work.current:
            continue
        skip = work.sample[trace.trace_id].skip
        for finding in (Finding(skip),) if skip else evaluate(trace):
            yield build_score(work, trace.trace_id, finding.result, finding.annotator)


def derive_panel_scores(lake: Lake, work: Worklist, kind: EvaluatorByVerdicts) -> Iterator[Score]:
    """Derives the scores of an evaluator that concludes from the verdicts of others."""
    joined = join_verdicts(read_peers(lake, work.night, work.evaluator))
    for trace_id in work.sample:
        if trace_id not in work.current:
            verdicts: dict[str, Verdict | None] = {
                name: one.verdict for name, one in joined[trace_id].items()
            }
            yield build_score(work, trace_id, kind.conclude(work.evaluator, verdicts))


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


def build_tally(work: Worklist, call_result: CallsResult, counts: ScoreCounts) -> Tally:
    """Builds the tally of one evaluator's night."""
    evaluator, rows = work.evaluator, counts.by_verdict
    return Tally(
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        app=evaluator.app,
        night=work.night,
        covered=work.covered,
        sampled=len(work.sample),
        reused=len(work.current),
        calls=call_result.calls,
        passed=rows["pass"],
        failed=rows["fail"],
        errored=rows["error"],
        skipped=rows["skipped"],
        pending=rows["pending"],
        usd=round(call_result.usd, 9),
        unasked=rows["unasked"],
        why=describe_rest(call_result.rest),
    )


def describe_rest(rest: Failure | Skip | None) -> str | None:
    """Returns the reason or the code for which questions were left."""
    match rest:
        case Skip(reason):
            return reason
        case Failure(code):
            return code
        case None:
            return None
