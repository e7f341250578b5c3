"""The labels of a night that answer an earlier wording of their question: with them it is due.

How wordings are compared is `evals.evaluators.label_wordings`'.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from evals.evaluators.label_wordings import is_of_wording
from evals.records import Label
from evals.specs import Catalog
from evals.storage.documents.label_batches import read_batch_nights
from evals.storage.errors import DamagedFileError
from evals.storage.label_records import LABELS, locate_batch, read_batch
from evals.storage.label_rows import parse_label
from evals.storage.lake import Lake
from evals.storage.store import FileState, read_file_states
from evals.storage.verdict_files import read_verdicts


class Answered(NamedTuple):
    """A label that records which wording it answered."""

    app: str
    """Empty: the batch does not record it."""
    label: Label


def list_outdated_wordings(
    lake: Lake, catalog: Catalog, apps: Iterable[str], night: date
) -> list[str]:
    """Lists the earlier wordings that labels of a night answered, by application and dimension."""
    answered = list(read_answered(lake, night))
    if not answered:
        return []
    return sorted(
        {
            f"{app} {name} {one.label.rubric_version}"
            for app in set(apps) - set(catalog.broken)
            for name, question in list_questions(catalog, app)
            for one in answered
            if one.app in ("", app)
            and one.label.dimension == name
            and not is_of_wording(one.label, question)
        }
    )


def list_questions(catalog: Catalog, app: str) -> list[tuple[str, str]]:
    """Lists the questions of an application, each with the name that its labels give it."""
    own = catalog.dimensions_of(catalog.app(app)) if app in catalog.apps else ()
    guards = [(name, one.question) for name, one in catalog.guardrails.items()]
    return [*((one.labels_name, one.question) for one in own), *guards]


def read_answered(lake: Lake, night: date) -> Iterator[Answered]:
    """Yields the labels of a night that record a wording; one of an unread batch is left out."""
    for row in read_verdicts(lake):
        if night in row.nights and row.label.rubric_version:
            yield Answered(row.app, row.label)
    for name, nights in read_batch_nights(lake).items():
        if night in nights:
            path = locate_batch(lake, LABELS, name)
            for label in read_worded(lake, name, read_file_states([path])):
                yield Answered("", label)


@functools.lru_cache(maxsize=256)
def read_worded(lake: Lake, name: str, stamp: tuple[FileState, ...]) -> tuple[Label, ...]:
    """Reads the labels of a batch that record a wording, once while its file does not change."""
    if not stamp:
        return ()
    try:
        labels = read_batch(locate_batch(lake, LABELS, name), parse_label)
    except DamagedFileError:
        return ()  # whoever needs its labels reports it
    return tuple(label for label in labels if label.rubric_version)
