"""Adds a stored trace to an application's regression set, and removes cases.

The set is a file of the catalog; its versions are the team's commits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.label_verdicts import decide_people
from evals.evaluators.registry import is_recorded
from evals.evaluators.resolution import resolve_app
from evals.privacy.redaction import build_redactor
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Json, Outcome, Score, Trace, Verdict
from evals.specs import Catalog, Evaluator
from evals.specs.cases import (
    CASES,
    Case,
    CaseOrigin,
    format_cases,
    load_cases,
    locate_cases,
    name_case,
    record_trace,
)
from evals.storage.files import replace
from evals.storage.lake import Lake


class CaseError(ValueError):
    """The case cannot be added or removed; the message gives the reason and what to do."""


@dataclass(frozen=True, kw_only=True)
class CaseRequest:
    """What a person asks to add."""

    by: str
    dimension: str | None = None
    """None: the one that people failed, else the one that an evaluator failed."""
    verdict: Verdict | None = None
    """None: people's, else `fail`."""
    why: str = ""


class AddedCase(NamedTuple):
    """What became of a request."""

    case: Case
    is_new: bool
    """Whether the set did not have the trace on that dimension."""


class Judged(NamedTuple):
    """A dimension on which a trace was judged."""

    dimension: str
    verdict: Verdict
    why: str


def add_case(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    trace: Trace,
    night: date,
    request: CaseRequest,
    now: datetime,
) -> AddedCase:
    """Adds a trace of production to its application's set, or replaces it there.

    Raises:
        CaseError: no dimension is named and none failed, or the one named is unknown.
        CatalogError: the set's file has a broken line.
    """
    evaluators = list_evaluators(catalog, trace.app)
    judged = choose_dimension(lake, catalog, references, trace, night, request)
    gold = find_gold(evaluators, references, trace, judged.dimension)
    case = build_case(lake, catalog, trace, night, judged, gold, request, now)
    is_new = True

    def put(cases: list[Case]) -> list[Case]:
        nonlocal is_new
        is_new = all(one.key != case.key for one in cases)
        return [*(one for one in cases if one.key != case.key), case]

    change_cases(lake, catalog, trace.app, put)
    return AddedCase(case, is_new)


def build_case(
    lake: Lake,
    catalog: Catalog,
    trace: Trace,
    night: date,
    judged: Judged,
    gold: Json,
    request: CaseRequest,
    now: datetime,
) -> Case:
    """Builds a case of a trace, redacted once more by the application's present rules."""
    privacy = PrivacyFilter.load(lake, catalog)
    redacted = dataclasses.replace(trace, **privacy.redact_texts(trace, None))
    redact = build_redactor(privacy.list_redacted_kinds(trace.app))
    return Case(
        id=name_case(trace.trace_id, judged.dimension),
        app=trace.app,
        dimension=judged.dimension,
        verdict=judged.verdict,
        why=redact(judged.why.strip().encode("utf-8", "replace").decode()),
        gold=gold,
        trace=record_trace(redacted),
        origin=CaseOrigin(
            trace_id=trace.trace_id,
            night=night,
            prompt_version=trace.prompt_version,
            model=trace.model,
            added_by=privacy.hash_identity(request.by.strip()),
            added_on=now.date(),
        ),
    )


def choose_dimension(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    trace: Trace,
    night: date,
    request: CaseRequest,
) -> Judged:
    """Chooses the dimension and the verdict of a case: what is named, people's, an evaluator's."""
    dimensions = catalog.dimensions_of(catalog.app(trace.app))
    known = {one.dimension: one for one in dimensions}
    known_names = {*known, *(one.dimension for one in list_evaluators(catalog, trace.app))}
    sessions = {name for name, one in known.items() if one.subject == "session"}
    wanted = request.dimension
    if wanted and wanted not in known_names:
        raise CaseError(
            f"{trace.app} has no dimension {wanted!r}; there are {', '.join(sorted(known_names))}"
        )
    if wanted in sessions:
        raise CaseError(f"{wanted} evaluates whole sessions; a case is one trace")
    order = [*known, *known_names]  # the suite's order; `answered`, the default one, comes last
    by_people = list(list_people(catalog, references, trace))
    by_code = sorted(
        list_scores(lake, trace, night),
        key=lambda one: order.index(one.dimension) if one.dimension in order else len(order),
    )
    every = [one for one in (*by_people, *by_code) if one.dimension not in sessions]
    failed = [one for one in every if one.verdict == "fail"]
    found = next(
        (one for one in (every if wanted else failed) if wanted in (None, one.dimension)), None
    )
    if found is None and wanted is None:
        names = ", ".join(sorted(known_names - sessions)) or "none"
        raise CaseError(f"nothing failed trace {trace.trace_id}; name a --dimension: {names}")
    dimension = found.dimension if found else wanted or ""
    people = next((one for one in by_people if one.dimension == dimension), None)
    verdict = request.verdict or (people.verdict if people else "fail")
    return Judged(dimension, verdict, request.why or (people.why if people else ""))


def list_people(catalog: Catalog, references: GoldAndLabels, trace: Trace) -> Sequence[Judged]:
    """Lists what people decided on a trace, with the first critique."""
    found: list[Judged] = []
    for one in catalog.dimensions_of(catalog.app(trace.app)):
        labels = references.labels_on(trace, one.labels_name, one.question).votes
        decided = decide_people(one.label_rules, labels)
        if isinstance(decided, Outcome):
            why = next((label.critique for label in labels if label.critique), "")
            found.append(Judged(one.dimension, "pass" if decided.passed else "fail", why))
    return found


def list_scores(lake: Lake, trace: Trace, night: date) -> Sequence[Judged]:
    """Lists what evaluators scored of a trace on its night."""
    scores: list[Score] = [
        score
        for score in lake.stream_night("scores", night, ("trace_id", [trace.trace_id]))
        if score.verdict and score.subject == "trace" and score.origin == "production"
    ]
    return [Judged(one.dimension, one.verdict, "") for one in scores if one.verdict]


def list_evaluators(catalog: Catalog, app: str) -> list[Evaluator]:
    """Lists the evaluators of single traces of an application, without recorded verdicts."""
    every = resolve_app(catalog, app)
    return [one for one in every if one.subject == "trace" and not is_recorded(one.kind)]


def find_gold(
    evaluators: Sequence[Evaluator], references: GoldAndLabels, trace: Trace, dimension: str
) -> Json:
    """Finds the gold value that came with a trace; a gold set of the catalog stays there."""
    own = (one for one in evaluators if one.dimension == dimension and one.gold == "labels")
    return next((references.gold_for(one, trace) for one in own), None)


def remove_cases(lake: Lake, catalog: Catalog, app: str, names: Sequence[str]) -> list[Case]:
    """Removes cases by their ids or their traces' ids; returns those removed.

    Raises:
        CaseError: there is no such case.
    """
    removed: list[Case] = []

    def take(cases: list[Case]) -> list[Case]:
        for name in names:
            own = [case for case in cases if name in (case.id, case.origin.trace_id)]
            if not own:
                raise CaseError(f"no case {name!r} in {locate_cases(catalog.root, app)}")
            removed.extend(case for case in own if case not in removed)
        return [case for case in cases if case not in removed]

    change_cases(lake, catalog, app, take)
    return removed


def change_cases(
    lake: Lake, catalog: Catalog, app: str, change: Callable[[list[Case]], list[Case]]
) -> None:
    """Changes a set's file; no other process of the home interferes."""
    path = locate_cases(catalog.root, app)
    with lake.lock(CASES):
        before = load_cases(path)
        after = change(before)
        if after or before:
            path.parent.mkdir(exist_ok=True)
            replace(path, format_cases(after))
