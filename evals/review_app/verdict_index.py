"""People's labels by question, and whether an annotator still has to answer it.

The files are `evals.storage`'s; what a label means is `votes`'.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from evals.evaluators.label_verdicts import is_from_people
from evals.records import Label
from evals.storage.damage import report
from evals.storage.errors import DamagedFileError
from evals.storage.label_records import LABELS, list_batches, read_batch
from evals.storage.label_rows import drop_superseded, parse_label
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states
from evals.storage.verdict_files import VerdictRow, list_verdict_files, read_rows

State = Literal["undecided", "decided", "deferred"]
About: TypeAlias = tuple[str, str]
"""A trace, and the labels' name of a dimension."""
Grouped: TypeAlias = Mapping[About, Sequence[Label]]


class Verdicts(NamedTuple):
    """People's labels: imported ones, and those given one at a time."""

    imported: Grouped
    given: Grouped
    by_annotator: Mapping[str, Sequence[Label]]
    """Those given one at a time that count, in the order in which they were given."""
    rows: Mapping[About, VerdictRow]
    """The last row of each question that was judged one at a time."""
    current: dict[About, list[Label]]
    """What `list_labels` returned before."""

    def list_labels(self, about: About) -> list[Label]:
        """Lists the labels of a question that nothing replaced or withdrew, oldest first."""
        if about not in self.current:
            every = [*self.imported.get(about, ()), *self.given.get(about, ())]
            self.current[about] = drop_superseded(every)
        return self.current[about]

    def is_about(self, about: About) -> bool:
        """Whether anybody ever judged a question."""
        return about in self.given or about in self.imported


class VerdictIndex:
    """People's labels of a home, read anew where a file changed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.lock = threading.Lock()
        self.batches: tuple[FileState, ...] | None = None
        self.days: tuple[tuple[VerdictRow, ...], ...] = ()
        self.verdicts = Verdicts({}, {}, {}, {}, {})

    def read(self) -> Verdicts:
        """Returns the present labels."""
        with self.lock:
            paths = list_batches(self.lake, LABELS)
            batches = read_file_states(paths)
            days = tuple(map(read_rows, list_verdict_files(self.lake)))
            imported = self.verdicts.imported
            if batches != self.batches:
                imported = group_labels(label for path in paths for label in read_intact(path))
            elif len(days) == len(self.days) and all(map(is_, days, self.days)):
                return self.verdicts
            rows = [row for day in days for row in day]
            given = [row.label for row in rows]
            by_about = {(row.label.subject_id, row.label.dimension): row for row in rows}
            by_annotator = group_by_annotator(given)
            self.verdicts = Verdicts(imported, group_labels(given), by_annotator, by_about, {})
            self.batches, self.days = batches, days
            return self.verdicts


def read_intact(path: Path) -> list[Label]:
    """Reads a batch of labels; a damaged one is reported and left out."""
    try:
        return read_batch(path, parse_label)
    except DamagedFileError as error:
        report(str(error))
        return []


def group_labels(labels: Iterable[Label]) -> Grouped:
    """Groups people's labels by question, in the order of their files."""
    by_question: dict[About, list[Label]] = defaultdict(list)
    for label in filter(is_from_people, labels):
        by_question[label.subject_id, label.dimension].append(label)
    return dict(by_question)


def group_by_annotator(labels: Sequence[Label]) -> Mapping[str, Sequence[Label]]:
    """Groups the labels that count by who gave them."""
    by_annotator: dict[str, list[Label]] = defaultdict(list)
    for label in filter(is_from_people, drop_superseded(labels)):
        by_annotator[label.annotator].append(label)
    return dict(by_annotator)


def find_own(labels: Sequence[Label], annotator: str) -> Label | None:
    """Returns an annotator's last label of a question."""
    return next((one for one in reversed(labels) if one.annotator == annotator), None)


def find_state(labels: Sequence[Label], annotator: str, *, people: int = 1) -> State:
    """Returns whether an annotator still has to answer a question.

    Args:
        labels: people's labels of it that count.
        annotator: who asks; empty: a reader.
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
    return label.status == "deferred"
