"""Counts what became of the labels at rest: how many count, and why the others do not.

The verdicts themselves are `mapped_labels` and the people's row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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


class AppLabels(NamedTuple):
    """The counts of one application's labels."""

    app: str
    counts: LabelCounts


def count_by_app(lake: Lake, catalog: Catalog) -> list[AppLabels]:
    """Counts the labels of each application over all nights; those without labels are left out."""
    found = count_nights(lake, catalog, lake.list_nights("traces"))
    return [AppLabels(app, counts) for app, counts in found.items()]


def count_labels(lake: Lake, catalog: Catalog, app: str, night: date) -> LabelCounts:
    """Counts the labels of one application's night."""
    if app in catalog.broken:
        return LabelCounts()
    if counts := count_nights(lake, catalog, [night], app).get(app):
        return counts
    waiting = read_stored_labels(lake).waiting
    return LabelCounts(waiting=count_waiting(LabelChecks(catalog), app, waiting))


def count_nights(
    lake: Lake, catalog: Catalog, nights: Iterable[date], only: str | None = None
) -> dict[str, LabelCounts]:
    """Counts the labels on traces of some nights, each night read once; by application.

    Args:
        lake: has labels and traces.
        catalog: has what the labels mean; applications that it cannot read are left out.
        nights: the nights.
        only: one application; None: all that have labels.
    """
    stored, checks = read_stored_labels(lake), LabelChecks(catalog)
    uses: dict[str, Counter[str]] = defaultdict(Counter)
    traces: Counter[str] = Counter()
    for night in nights:
        for trace in lake.stream_night("traces", night, ("trace_id", set(stored.by_trace))):
            if only in (None, trace.app) and trace.app not in catalog.broken:
                own = Counter(sort_labels(checks, trace, stored.by_trace[trace.trace_id]))
                traces[trace.app] += bool(own["counted"])
                uses[trace.app] += own
    return {
        app: LabelCounts(
            labels=own.total(),
            **own,
            traces=traces[app],
            waiting=count_waiting(checks, app, stored.waiting),
        )
        for app, own in sorted(uses.items())
    }


def count_waiting(checks: LabelChecks, app: str, waiting: Iterable[Label]) -> int:
    """Counts the labels that wait for a trace and may be an application's, by their dimension."""
    vocabulary = checks.find_vocabulary(app) or {}
    return sum(label.dimension in vocabulary for label in waiting)


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
