"""People's verdicts by question, and what they mean for each annotator's list.

The files are `evals.storage`'s; what labels mean for judges is `evals.labels`'.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from evals.evaluators.label_verdicts import is_from_people
from evals.records import Label
from evals.storage.label_records import list_batch_files, read_labels
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states

State = Literal["undecided", "decided", "deferred"]
EARLIEST = datetime.min.replace(tzinfo=UTC)


class Verdicts(NamedTuple):
    """People's current labels."""

    by_question: Mapping[tuple[str, str], Sequence[Label]]
    """By trace and by the labels' name of the dimension, oldest first."""
    by_annotator: Mapping[str, Sequence[Label]]
    """In the order in which they were given."""


class VerdictIndex:
    """People's verdicts of a home, read anew where a file changed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.stamp: tuple[FileState, ...] | None = None
        self.verdicts = group_labels(())

    def read(self) -> Verdicts:
        """Returns the present verdicts."""
        with self.lock:
            stamp = read_file_states(list_batch_files(self.lake))
            if stamp != self.stamp:
                self.verdicts = group_labels(read_labels(self.lake))
                self.stamp = stamp
            return self.verdicts


def group_labels(labels: Iterable[Label]) -> Verdicts:
    """Groups people's labels by question and by annotator."""
    by_question: dict[tuple[str, str], list[Label]] = defaultdict(list)
    by_annotator: dict[str, list[Label]] = defaultdict(list)
    for label in sorted(filter(is_from_people, labels), key=lambda one: one.time or EARLIEST):
        by_question[label.subject_id, label.dimension].append(label)
        by_annotator[label.annotator].append(label)
    return Verdicts(dict(by_question), dict(by_annotator))


def find_own(labels: Sequence[Label], annotator: str) -> Label | None:
    """Returns an annotator's last label of a question."""
    return next((one for one in reversed(labels) if one.annotator == annotator), None)


def find_state(labels: Sequence[Label], annotator: str, *, people: int = 1) -> State:
    """Returns whether an annotator still has to answer a question.

    Args:
        labels: people's labels of it.
        annotator: who asks.
        people: how many people should answer it.
    """
    own = find_own(labels, annotator)
    if own:
        return "deferred" if is_deferred(own) else "decided"
    votes = {one.annotator for one in labels if not is_deferred(one)}
    is_settled = any(one.annotator_kind == "adjudicated" for one in labels)
    return "decided" if is_settled or len(votes) >= people else "undecided"


def is_deferred(label: Label) -> bool:
    """Whether a person left a question to somebody else."""
    return getattr(label, "status", "given") == "deferred"
