"""What became of the labels at rest: how many count, and why the others do not.

Counts; the verdicts themselves are `mapped_labels` and the people's row.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.evaluators.gold import is_about
from evals.evaluators.label_verdicts import list_votes
from evals.labels.label_checks import LabelChecks
from evals.records import Label, Trace
from evals.specs import Catalog
from evals.storage.id_index import find_unstaged
from evals.storage.label_records import LABELS, list_batches, read_labels
from evals.storage.lake import Lake
from evals.storage.queries import query_tables
from evals.storage.store import FileState, read_file_states


class LabelCounts(NamedTuple):
    """The labels of one application's night by what became of them, and those that wait."""

    labels: int = 0
    """All labels of the night's traces: the sum of the five below."""
    counted: int = 0
    """Labels with a meaning: votes."""
    corrected: int = 0
    """Labels whose annotator labelled the same answer again."""
    outdated: int = 0
    """Labels of an answer that was replaced since."""
    unmapped: int = 0
    """Labels whose word the suite does not map; of judges and rules they are error rows."""
    unknown_dimension: int = 0
    """Labels on a dimension that the suite does not have."""
    traces: int = 0
    """Traces with a label that counts."""
    waiting: int = 0
    """Labels on the suite's dimensions whose trace has not arrived."""


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
            both = (a + b for a, b in zip(before, more, strict=True))
            totals[app] = LabelCounts(*both)._replace(waiting=more.waiting)
    return [AppLabels(app, counts) for app, counts in totals.items() if counts.labels]


APPS = "select distinct app from traces"


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
    return LabelCounts(uses.total(), **uses, traces=traces, waiting=waiting)


def sort_labels(checks: LabelChecks, trace: Trace, labels: Sequence[Label]) -> Iterable[str]:
    """Yields what becomes of each label of a trace: a count's name in `LabelCounts`."""
    about = [label for label in labels if is_about(label, trace)]
    votes = {
        id(label)
        for name in {label.dimension for label in about}
        for label in list_votes(one for one in about if one.dimension == name)
    }
    for label in labels:
        problem = checks.find_problem(label, trace.app)
        if problem and problem.code == "unknown-dimension":
            yield "unknown_dimension"
        elif not is_about(label, trace):
            yield "outdated"
        elif id(label) not in votes:
            yield "corrected"
        else:
            yield "unmapped" if problem else "counted"


class StoredLabels(NamedTuple):
    """The labels of a home."""

    by_trace: Mapping[str, tuple[Label, ...]]
    waiting: tuple[Label, ...]
    """Labels whose trace has not arrived."""


def read_stored_labels(lake: Lake) -> StoredLabels:
    """Reads the labels of a home, once while neither they nor its traces change."""
    return read_labels_as_of(
        lake, read_file_states([*list_batches(lake, LABELS), *lake.list_files("staged")])
    )


@functools.lru_cache(maxsize=2)
def read_labels_as_of(lake: Lake, stamp: tuple[FileState, ...]) -> StoredLabels:
    """Reads the labels of a home; `stamp` makes the cache miss when a file has changed."""
    labels = read_labels(lake)
    by_trace: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.subject == "trace":
            by_trace[label.subject_id].append(label)
    return StoredLabels({k: tuple(v) for k, v in by_trace.items()}, find_waiting(lake, labels))


def find_waiting(lake: Lake, labels: Iterable[Label]) -> tuple[Label, ...]:
    """Returns the labels whose trace has not arrived.

    A label that is bound to an answer had its trace: that was deleted since.
    """
    unbound = [label for label in labels if not label.answer and label.subject == "trace"]
    unstaged = find_unstaged(lake, {label.subject_id for label in unbound})
    return tuple(label for label in unbound if label.subject_id in unstaged)
