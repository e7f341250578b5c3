"""Counts what became of the labels at rest: how many count, and why the others do not.

The verdicts themselves are `mapped_labels` and the people's row.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from evals.evaluators.gold import is_about
from evals.evaluators.label_wordings import select_worded
from evals.labels.label_checks import LabelChecks
from evals.labels.stored_labels import read_stored_labels
from evals.records import Label, Trace
from evals.reports.row_counts import LabelCounts
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.storage.queries import query_tables


class AppLabels(NamedTuple):
    """The counts of one application's labels."""

    app: str
    counts: LabelCounts


def count_by_app(lake: Lake, catalog: Catalog) -> list[AppLabels]:
    """Counts the labels of each application over all nights; those without labels are left out."""
    totals: dict[str, LabelCounts] = {}
    apps = {row["app"] for row in query_tables(lake, APPS, {"traces": None})}
    for night in lake.list_nights("traces"):
        for app in sorted(apps):
            before, more = totals.get(app, LabelCounts()), count_labels(lake, catalog, app, night)
            totals[app] = add_counts(before, more)
    return [AppLabels(app, counts) for app, counts in totals.items() if counts.labels]


APPS = "select distinct app from traces"


def add_counts(before: LabelCounts, night: LabelCounts) -> LabelCounts:
    """Adds a night's counts to those before; labels that wait belong to no night."""
    sums = {name: n + getattr(night, name) for name, n in dataclasses.asdict(before).items()}
    return LabelCounts(**{**sums, "waiting": night.waiting})


def count_labels(lake: Lake, catalog: Catalog, app: str, night: date) -> LabelCounts:
    """Counts the labels of one application's night."""
    if app in catalog.broken:
        return LabelCounts()
    stored, checks = read_stored_labels(lake), LabelChecks(catalog)
    uses, traces = Counter[str](), 0
    for trace in lake.stream_night("traces", night, ("trace_id", set(stored.by_trace))):
        if trace.app == app:
            own = Counter(sort_labels(checks, trace, stored.by_trace[trace.trace_id]))
            traces += bool(own["counted"])
            uses += own
    vocabulary = checks.find_vocabulary(app) or {}
    waiting = sum(label.dimension in vocabulary for label in stored.waiting)
    return LabelCounts(labels=uses.total(), **uses, traces=traces, waiting=waiting)


def sort_labels(checks: LabelChecks, trace: Trace, labels: Sequence[Label]) -> Iterable[str]:
    """Yields what becomes of each label of a trace: a count's name in `LabelCounts`."""
    about = [label for label in labels if is_about(label, trace)]
    worded = [
        select_worded((one for one in about if one.dimension == name), question)
        for name, question in list_questions(checks, trace.app, about)
    ]
    votes = {id(label) for one in worded for label in one.votes}
    earlier = {id(label) for one in worded for label in one.earlier} - votes
    for label in labels:
        problem = checks.find_problem(label, trace.app)
        if problem and problem.code == "unknown-dimension":
            yield "unknown_dimension"
        elif not is_about(label, trace):
            yield "outdated"
        elif id(label) in earlier:
            yield "earlier"
        elif id(label) not in votes:
            yield "corrected"
        else:
            yield "unmapped" if problem else "counted"


def list_questions(
    checks: LabelChecks, app: str, labels: Iterable[Label]
) -> Iterator[tuple[str, str | None]]:
    """Yields the dimensions that some labels name, with each question they are votes on."""
    vocabulary = checks.find_vocabulary(app) or {}
    for name in sorted({label.dimension for label in labels}):
        dimensions = vocabulary.get(name, ())
        yield from ((name, one.question) for one in dimensions)
        if not dimensions:
            yield name, None
