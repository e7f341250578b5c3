"""The labels of a home by their trace, and those whose trace has not arrived.

What they mean is in `evals.evaluators.label_verdicts`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evals.labels.staged_subjects import read_apps
from evals.records import Label
from evals.storage.id_index import find_unstaged
from evals.storage.label_records import LABELS, list_batches, read_every_label, read_labels
from evals.storage.label_rows import drop_superseded
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states
from evals.storage.verdict_files import list_verdict_files


class StoredLabels(NamedTuple):
    """The labels of a home."""

    by_trace: Mapping[str, tuple[Label, ...]]
    waiting: tuple[Label, ...]
    """Labels whose trace has not arrived."""


def read_stored_labels(lake: Lake) -> StoredLabels:
    """Reads the labels of a home, once while neither they nor its traces change."""
    return read_labels_as_of(
        lake,
        read_file_states(
            [
                *list_batches(lake, LABELS),
                *list_verdict_files(lake),
                *lake.list_files("staged"),
            ]
        ),
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


def count_none(lake: Lake) -> dict[str, int]:
    """Counts the labels that are no votes: those that are deferred now, and withdrawn ones."""
    every = read_every_label(lake)
    return {
        "deferred": sum(label.status == "deferred" for label in drop_superseded(every)),
        "withdrawn": sum(label.status == "withdrawn" for label in every),
    }


def list_exported(lake: Lake, app: str | None, *, is_whole: bool) -> list[Label]:
    """Lists the labels of an application or of all.

    Args:
        lake: has the labels.
        app: the application; None: all, and labels whose trace has not arrived.
        is_whole: whether those that do not count are in the list.
    """
    labels = read_every_label(lake) if is_whole else read_labels(lake)
    if app is None:
        return labels
    apps = read_apps(lake, labels)
    return [label for label in labels if apps.get(label.subject_id) == app]
