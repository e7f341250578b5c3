"""Runs one evaluator on a few traces and shows what it read, and what it concluded.

Stores no score. An answer that a judge is asked for is paid and stored like any other.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypedDict

from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByVerdicts, Finding, Result
from evals.models.protocol import Request
from evals.records import Failure, Json, Outcome, Skip, Trace, Verdict
from evals.runs.paid_verdicts import list_all_keys, read_verdicts
from evals.runs.runner import ScoringRun, ask_wanted, build_evaluate
from evals.specs import Catalog, Evaluator
from evals.storage import ledger
from evals.traces.reader import read_file
from evals.worklist.night_contents import ContentFile, NightTraces, hash_content
from evals.worklist.peer_verdicts import join_verdicts, read_peers
from evals.worklist.previous_answers import add_previous
from evals.worklist.sampling import compute_place
from evals.worklist.worklist import Worklist, add_contents, list_unpaid

TRIED = 500
"""Traces that are looked at to find a few with different outcomes."""
NOT_ASKED = Skip("not-asked")
NO_PEERS = Skip("no-peer-verdicts")
"""A panel's result where not all of its dimensions have a stored score of the trace."""


class ResultDocument(TypedDict):
    """What an evaluator concluded, as JSON."""

    status: str
    """`pass`, `fail`, `error` or `skipped`."""
    value: float | None
    explanation: str
    code: str | None
    annotator: str | None


class TriedDocument(TypedDict):
    """One trace of a trial as JSON."""

    trace_id: str
    read: dict[str, Json]
    gold: Json
    question: list[dict[str, str]] | None
    results: list[ResultDocument]
    ms: float | None


@dataclass(frozen=True)
class TriedTrace:
    """What an evaluator read in one trace, and what it concluded."""

    trace: Trace
    evaluator: Evaluator
    gold: Json
    findings: tuple[Finding, ...]
    request: Request | None = None
    """The question to a model; None for code."""
    ms: float | None = None
    """Milliseconds that code took; None for stored answers and verdicts."""
    verdicts: Mapping[str, Verdict | None] = field(default_factory=dict[str, Verdict | None])
    """Of a panel, what its dimensions concluded."""

    @property
    def status(self) -> str:
        """The first result's status."""
        return name_status(self.findings[0].result) if self.findings else "no verdict"

    @property
    def read(self) -> dict[str, Json]:
        """The fields it read; of a panel, the verdicts by dimension."""
        return {
            **{name: getattr(self.trace, name) for name in self.evaluator.reads},
            **self.verdicts,
        }

    def to_json(self) -> TriedDocument:
        """Returns it as JSON."""
        return {
            "trace_id": self.trace.trace_id,
            "read": self.read,
            "gold": self.gold,
            "question": list(self.request.messages) if self.request else None,
            "results": list(map(describe_finding, self.findings)),
            "ms": None if self.ms is None else round(self.ms, 3),
        }


def name_status(result: Result) -> str:
    """Returns the status that a score of this result has; `pass` or `fail` where it has one."""
    match result:
        case Outcome(passed):
            return "pass" if passed else "fail"
        case Failure():
            return "error"
        case Skip():
            return "skipped"


def describe_finding(finding: Finding) -> ResultDocument:
    """Returns a finding as JSON."""
    result, value, words, code = finding.result, None, "", None
    match result:
        case Outcome():
            value, words = result.value, result.explanation
        case Failure():
            code, words = result.code, result.message
        case Skip():
            code = result.reason
    return {
        "status": name_status(result),
        "value": value,
        "explanation": words,
        "code": code,
        "annotator": finding.annotator,
    }


class Trial(NamedTuple):
    """An evaluator's trial on a few traces."""

    evaluator: Evaluator
    source: str
    """The night or the file that the traces are from."""
    tried: tuple[TriedTrace, ...]
    looked_at: int
    """Traces among which these were chosen."""
    calls: int = 0
    usd: float = 0.0
    missing: tuple[str, ...] = ()
    """Ids that were named and that the evaluator does not cover."""


def try_on_night(
    run: ScoringRun,
    evaluator: Evaluator,
    night: date,
    ids: Sequence[str] = (),
    *,
    count: int,
    ask: bool = False,
) -> Trial:
    """Tries an evaluator on stored traces: those named, else a few with different outcomes.

    Args:
        run: the home, gold and labels; its budget bounds what is asked.
        evaluator: the evaluator.
        night: the night of the traces.
        ids: the traces; empty: they are chosen.
        count: how many are chosen.
        ask: whether a model is asked for answers that are not stored; they are paid.
    """
    traces = NightTraces(run.lake, night)
    references = add_previous(run.lake, night, evaluator, run.references)
    run = replace(run, references=references)
    wanted = set(ids) or set(choose_first(traces.read_ids(evaluator), evaluator))
    found = [trace for trace in traces.read_traces(evaluator) if trace.trace_id in wanted]
    found.sort(key=lambda trace: compute_place(trace.trace_id, evaluator.dimension, "trace"))
    missing = sorted(set(ids) - {trace.trace_id for trace in found})
    calls, usd = 0, 0.0
    if ask and evaluator.asks_model:
        found = found if ids else choose_to_ask(try_all(run, evaluator, found), count)
        calls, usd = ask_about(run, evaluator, night, found)
    tried = list(try_all(run, evaluator, found, night))
    shown = tried if ids else pick_different(tried, count)
    source = f"night {night}"
    return Trial(evaluator, source, tuple(shown), len(found), calls, usd, tuple(missing))


def try_on_file(
    run: ScoringRun, catalog: Catalog, evaluator: Evaluator, path: Path, *, count: int, today: date
) -> Trial:
    """Tries an evaluator on the traces of a file in any known format; asks no model.

    Rows of other applications are left out; rows that name none count as this one's. The
    evaluator's `where` is not applied. Rows without a time are of today.
    """
    rows = read_file(path, mappings=catalog.mappings, app=evaluator.app, assume_date=today)
    own = (row for row in rows if isinstance(row, Trace) and row.app == evaluator.app)
    found = list(itertools.islice(own, TRIED))
    shown = pick_different(try_all(run, evaluator, found), count)
    return Trial(evaluator, path.name, tuple(shown), len(found))


def choose_first(ids: Iterable[str], evaluator: Evaluator) -> list[str]:
    """Chooses the traces that come first in hash order: those that a sample has first."""
    return sorted(ids, key=lambda one: compute_place(one, evaluator.dimension, "trace"))[:TRIED]


def pick_different(tried: Iterable[TriedTrace], count: int) -> list[TriedTrace]:
    """Picks a few traces, by turns one that failed, passed, was an error, was skipped."""
    by_status: dict[str, list[TriedTrace]] = {"fail": [], "pass": [], "error": [], "skipped": []}
    for one in tried:
        by_status.setdefault(one.status, []).append(one)
    turns = itertools.zip_longest(*by_status.values())
    return [one for turn in turns for one in turn if one][:count]


def choose_to_ask(tried: Iterable[TriedTrace], count: int) -> list[Trace]:
    """Chooses traces with a stored answer, which are free, then the first ones without."""
    known, unknown = list[TriedTrace](), list[TriedTrace]()
    for one in tried:
        is_unknown = any(finding.result == NOT_ASKED for finding in one.findings)
        (unknown if is_unknown else known).append(one)
    free = pick_different(known, count)
    return [one.trace for one in (*free, *unknown[: count - len(free)])]


def try_all(
    run: ScoringRun, evaluator: Evaluator, traces: Sequence[Trace], night: date | None = None
) -> Iterator[TriedTrace]:
    """Yields what an evaluator concludes of each trace: from code, stored answers or verdicts."""
    kind = registry.type_of(evaluator)
    if evaluator.asks_model:
        yield from read_stored(run, evaluator, traces)
        return
    if isinstance(kind, EvaluatorByVerdicts):
        yield from conclude_stored(run, evaluator, kind, traces, night)
        return
    evaluate = build_evaluate(evaluator, run.references)
    for trace in traces:
        began = time.perf_counter()
        skip = kind.find_skip(evaluator, trace, run.references)
        findings = (Finding(skip),) if skip else tuple(evaluate(trace))
        took = (time.perf_counter() - began) * 1000
        gold = run.references.gold_for(evaluator, trace)
        yield TriedTrace(trace, evaluator, gold, findings, ms=took)


def read_stored(
    run: ScoringRun, evaluator: Evaluator, traces: Sequence[Trace]
) -> Iterator[TriedTrace]:
    """Yields each trace with the question a model gets, and what its stored answer means."""
    kind, references = registry.model_of(evaluator), run.references
    keys = {
        trace.trace_id: build_key(evaluator, trace, references)
        for trace in traces
        if not kind.find_skip(evaluator, trace, references)
    }
    asked = list_all_keys(evaluator, keys.values())
    with ledger.open_index(run.lake, evaluator.answer_version or "", asked) as paid:
        results = {one.key: one.result for one in read_verdicts(evaluator, paid)}
    for trace in traces:
        gold = references.gold_for(evaluator, trace)
        key = keys.get(trace.trace_id)
        skip = kind.find_skip(evaluator, trace, references)
        result = skip or results.get(key or "", NOT_ASKED)
        request = kind.request(evaluator, trace, gold) if key else None
        yield TriedTrace(trace, evaluator, gold, (Finding(result),), request)


def conclude_stored(
    run: ScoringRun,
    evaluator: Evaluator,
    kind: EvaluatorByVerdicts,
    traces: Sequence[Trace],
    night: date | None,
) -> Iterator[TriedTrace]:
    """Yields what a panel concludes from the night's stored verdicts; without a night, nothing."""
    peers = join_verdicts(read_peers(run.lake, night, evaluator)) if night else {}
    for trace in traces:
        stored = peers.get(trace.trace_id, {})
        verdicts: dict[str, Verdict | None] = {name: one.verdict for name, one in stored.items()}
        result = kind.conclude(evaluator, verdicts) if stored else NO_PEERS
        yield TriedTrace(trace, evaluator, None, (Finding(result),), verdicts=verdicts)


def build_key(evaluator: Evaluator, trace: Trace, references: GoldAndLabels) -> str:
    """Returns the key of a trace's content, under which its answer is stored."""
    return hash_content(registry.type_of(evaluator).content(evaluator, trace, references))


def ask_about(
    run: ScoringRun, evaluator: Evaluator, night: date, traces: Sequence[Trace]
) -> tuple[int, float]:
    """Asks a model about traces without a stored answer; returns the calls and their price."""
    kind = registry.model_of(evaluator)
    with (
        contextlib.closing(ContentFile(run.lake)) as contents,
        run.lake.lock("calls", evaluator.answer_version or ""),
    ):
        for trace in traces:
            if not kind.find_skip(evaluator, trace, run.references):
                add_contents(contents, evaluator, trace, run.references)
        wanted = tuple(list_unpaid(run.lake, evaluator, contents.positions))
        work = Worklist(evaluator, night, 0, {}, set(), wanted, contents)
        result = ask_wanted(run, work)
    return result.calls, result.usd


def find_evaluators(evaluators: Iterable[Evaluator], name: str) -> list[Evaluator]:
    """Finds evaluators by name: their own, their dimension's, or their check's."""
    known = list(evaluators)
    by: Mapping[str, Callable[[Evaluator], str]] = {
        "name": lambda one: one.name,
        "dimension": lambda one: one.dimension,
        "check": lambda one: one.check,
    }
    for read_name in by.values():
        if found := [one for one in known if read_name(one) == name]:
            return found
    return []
