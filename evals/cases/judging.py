"""Runs a regression set: evaluators must judge its answers as people did, candidates must pass.

An evaluator that gave no verdict never counts as a pass.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from evals.cases.adding import list_evaluators
from evals.evaluators.gold import GoldAndLabels
from evals.experiments.evaluator_trial import ask_about, describe_finding, try_all
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Refusal, Trace
from evals.reports.conclusion import Outcome
from evals.runs.model_servers import locate_model
from evals.runs.runner import ScoringRun
from evals.specs import Catalog, Evaluator
from evals.specs.cases import EXAMPLES, Case, hash_cases, load_cases, locate_cases
from evals.traces.reader import read_file

Ending = Literal["held", "regressed", "not judged", "error"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)


class JudgedCase(NamedTuple):
    """What became of a case."""

    case: Case
    ending: Ending
    """`held`: as wanted; `not judged`: no evaluator or no stored answer; `error`: no verdict."""
    evaluator: str
    words: str
    """Why, in words; empty where it held."""
    decides: bool = True
    """Whether it counts for the gate: its dimension gates, and its judge is not unaligned."""


class CaseRun(NamedTuple):
    """A run of a regression set."""

    app: str
    version: str
    """The hash of the set."""
    judged: tuple[JudgedCase, ...]
    of: str
    """What was judged: `recorded answers`, or the candidate's file."""
    calls: int = 0
    usd: float = 0.0

    @property
    def counts(self) -> Counter[Ending]:
        """How many cases ended how."""
        return Counter(one.ending for one in self.judged)

    @property
    def outcome(self) -> Outcome:
        """The gate's outcome: an evaluator that gave no verdict is never a pass."""
        endings = {one.ending for one in self.judged if one.decides}
        if "regressed" in endings:
            return "regressed"
        if "error" in endings:
            return "infrastructure"
        is_open = endings & {"not judged"} or any(
            not one.decides and one.ending != "held" for one in self.judged
        )
        return "inconclusive" if is_open else "pass"

    def describe(self, noun: str = "regression case") -> str:
        """Describes the run in a sentence."""
        if not self.judged:
            return f"{self.app} has no {noun}s"
        parts = [f"{n} {ending}" for ending in ENDINGS if (n := self.counts[ending])]
        n = len(self.judged)
        return f"{n} {noun if n == 1 else f'{noun}s'}, {self.of}: {', '.join(parts)}"


class Answers(NamedTuple):
    """A candidate's answers to cases."""

    name: str
    """Of the file."""
    by_case: Mapping[str, Trace]
    """By the case's id."""
    foreign: int
    """Answers to nothing in the set."""


class Wanted(NamedTuple):
    """A case, the answer to judge, and the evaluator that judges it."""

    case: Case
    trace: Trace
    evaluator: Evaluator


def run_cases(
    run: ScoringRun,
    catalog: Catalog,
    app: str,
    cases: Sequence[Case],
    *,
    answers: Answers | None = None,
    ask: bool = False,
    unaligned: Collection[str] = (),
    today: date,
) -> CaseRun:
    """Judges cases of an application: their recorded answers, or a candidate's.

    Args:
        run: the home, gold and labels; its budget bounds what is asked.
        catalog: has the evaluators.
        app: the application.
        cases: its regression set, or an evaluator's examples.
        answers: a candidate's; None: the recorded ones.
        ask: whether models are asked where no answer is stored; they are paid.
        unaligned: evaluators that do not agree with people: shown, not gating.
        today: the day whose budget pays.
    """
    evaluators = {one.dimension: one for one in list_evaluators(catalog, app)}
    ready = [prepare(case, evaluators.get(case.dimension), answers) for case in cases]
    judged = [one for one in ready if isinstance(one, JudgedCase)]
    calls, usd = 0, 0.0
    for own in group_by_evaluator(one for one in ready if isinstance(one, Wanted)):
        scoring = dataclasses.replace(run, references=add_gold(run.references, own))
        located = locate_model(run.lake, catalog, own[0].evaluator)
        if ask and located.asks_model:
            asked = ask_about(scoring, located, today, [one.trace for one in own])
            calls, usd = calls + asked[0], usd + asked[1]
        judged += judge_wanted(scoring, located, own, is_candidate=answers is not None)
    by_case = {one.case.id: mark_deciding(one, catalog, unaligned) for one in judged}
    of = answers.name if answers else "recorded answers"
    ordered = tuple(by_case[case.id] for case in cases)
    return CaseRun(app, hash_cases(cases), ordered, of, calls, usd)


def group_by_evaluator(wanted: Iterable[Wanted]) -> list[list[Wanted]]:
    """Groups answers by the evaluator that judges them."""
    groups: dict[str, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(one.evaluator.name, []).append(one)
    return list(groups.values())


def judge_wanted(
    run: ScoringRun, evaluator: Evaluator, wanted: Sequence[Wanted], *, is_candidate: bool
) -> Iterator[JudgedCase]:
    """Yields what an evaluator decides on each answer, compared with what is wanted."""
    tried = try_all(run, evaluator, [one.trace for one in wanted])
    for own, one in zip(wanted, tried, strict=True):
        if not one.findings:
            yield conclude(own.case, evaluator, "skipped", "", is_candidate=is_candidate)
            continue
        shown = describe_finding(one.findings[0])
        words = shown["explanation"] or shown["code"] or ""
        yield conclude(own.case, evaluator, shown["status"], words, is_candidate=is_candidate)


def prepare(
    case: Case, evaluator: Evaluator | None, answers: Answers | None
) -> Wanted | JudgedCase:
    """Returns the answer to judge, or what is known of the case without judging."""
    if evaluator is None:
        words = f"no evaluator of {case.dimension} in the suite; `andon scaffold` drafts one"
        return JudgedCase(case, "not judged", "", words)
    if answers is None:
        return Wanted(case, case.build_trace(), evaluator)
    answer = answers.by_case.get(case.id)
    if answer is None:
        return JudgedCase(case, "not judged", evaluator.name, f"{answers.name} has no answer to it")
    if answer.status == "empty":
        return JudgedCase(case, "regressed", evaluator.name, "the candidate answered nothing")
    if not answer.has_answer:
        words = f"the candidate's request ended with {answer.status}"
        return JudgedCase(case, "error", evaluator.name, words)
    return Wanted(case, answer, evaluator)


def conclude(
    case: Case, evaluator: Evaluator, status: str, words: str, *, is_candidate: bool
) -> JudgedCase:
    """Compares a verdict with the one that is wanted."""
    name = evaluator.name
    if status == "error":
        return JudgedCase(case, "error", name, f"{name} gave no verdict: {words}")
    if status not in ("pass", "fail"):
        remedy = "; --ask asks its model" if words == "not-asked" else ""
        return JudgedCase(case, "not judged", name, f"{name} did not judge it: {words}{remedy}")
    want = "pass" if is_candidate else case.verdict
    if status == want:
        return JudgedCase(case, "held", name, "")
    if is_candidate:
        return JudgedCase(case, "regressed", name, f"failed: {words}" if words else "failed")
    people = {"fail": "failed", "pass": "passed"}[want]
    now = {"fail": "fails", "pass": "passes"}[status]
    because = f": {words}" if words else ""
    return JudgedCase(case, "regressed", name, f"{name} now {now} what people {people}{because}")


def mark_deciding(one: JudgedCase, catalog: Catalog, unaligned: Collection[str]) -> JudgedCase:
    """Marks a case that decides nothing, since its dimension does not gate or its judge may not."""
    dimensions = catalog.dimensions_of(catalog.app(one.case.app))
    gates = next((d.gate for d in dimensions if d.dimension == one.case.dimension), True)
    if gates and one.evaluator not in unaligned:
        return one
    why = "not gating" if not gates else "its judge does not agree with people yet: not gating"
    return one._replace(decides=False, words="; ".join(filter(None, (one.words, why))))


def add_gold(references: GoldAndLabels, wanted: Sequence[Wanted]) -> GoldAndLabels:
    """Returns the references with the gold values that cases bring."""
    own = {
        (one.trace.trace_id, one.evaluator.labels): one.case.gold
        for one in wanted
        if one.case.gold is not None
    }
    return dataclasses.replace(references, gold_values={**references.gold_values, **own})


def load_set(catalog: Catalog, app: str) -> list[Case]:
    """Loads an application's regression set.

    Raises:
        CatalogError: it has a broken line.
    """
    return load_cases(locate_cases(catalog.root, app))


def load_examples(catalog: Catalog, app: str, dimension: str) -> list[Case]:
    """Loads the labelled examples of an evaluator, by its dimension.

    Raises:
        CatalogError: they have a broken line.
    """
    cases = load_cases(locate_cases(catalog.root, dimension, EXAMPLES))
    return [case for case in cases if case.app == app and case.dimension == dimension]


def read_answers(
    privacy: PrivacyFilter, catalog: Catalog, app: str, path: Path, today: date
) -> Answers:
    """Reads a candidate's answers in any known format, redacted, and finds each one's case.

    An answer belongs to the case whose id it has as `trace_id` or `metadata.case`, or else to the
    cases of its input.
    """
    cases = load_set(catalog, app)
    by_case: dict[str, Trace] = {}
    foreign = 0
    for row in read_file(path, mappings=catalog.mappings, app=app, assume_date=today):
        trace = privacy.filter_trace(row) if isinstance(row, Trace) else None
        if not isinstance(trace, Trace):
            foreign += isinstance(row, Refusal)
            continue
        own = {case.id: place_answer(case, trace) for case in find_cases(cases, trace)}
        by_case |= own
        foreign += not own
    return Answers(path.name, by_case, foreign)


def find_cases(cases: Sequence[Case], trace: Trace) -> Iterator[Case]:
    """Yields the cases that an answer belongs to."""
    names = {trace.trace_id, str(trace.metadata.get("case"))}
    named = [case for case in cases if names & {case.id, case.origin.trace_id}]
    yield from named or (case for case in cases if trace.input and case.trace.input == trace.input)


def place_answer(case: Case, answer: Trace) -> Trace:
    """Returns a candidate's answer as an answer to a case: under its trace's id, with its input."""
    own = case.build_trace()
    return dataclasses.replace(
        answer,
        trace_id=own.trace_id,
        app=own.app,
        input=own.input,
        context=answer.context if answer.context is not None else own.context,
        messages=answer.messages or own.messages,
    )
