"""The rows of a pulled window grouped by subject: a trace or a score, whole or still coming.

Pages are pulled and landed in `pulls`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from evals.records import Json, digest
from evals.sources.json_shapes import require_object, require_text
from evals.sources.pages import Row, to_iso
from evals.storage.documents.pull_cursors import Window

BEGINNING = timedelta(hours=1)
"""A subject whose first row is this far within a window began in it, with or without a root."""


def parse_row(value: Json) -> Row:
    """Parses a row of a saved page.

    Raises:
        TypeError: it is no row.
        ValueError: it has another number of fields.
    """
    if type(value) is not list:
        raise TypeError("expected a list")
    own, subject, ts, whole, trace, body = value
    return Row(
        require_text(own),
        require_text(subject),
        require_text(ts),
        whole is True,
        require_text(trace),
        require_object(body),
    )


class Subject(NamedTuple):
    """A trace or a score, as far as the window has its rows."""

    name: str
    trace: str
    first: str
    """The moment of its first row, in ISO form."""
    begins: bool
    """Whether the row it begins with is among them."""
    rows: int
    digest: str


def group_rows(rows: Iterable[Row]) -> dict[str, Subject]:
    """Groups rows by subject; the digest does not depend on their order."""
    subjects: dict[str, Subject] = {}
    for row in rows:
        row_digest = digest(row.body, 16)
        subject = subjects.get(row.subject)
        if subject is None:
            new = Subject(row.subject, row.trace, row.ts, row.whole, 1, row_digest)
        else:
            new = Subject(
                row.subject,
                row.trace,
                min(subject.first, row.ts),
                subject.begins or row.whole,
                subject.rows + 1,
                f"{int(subject.digest, 16) ^ int(row_digest, 16):016x}",
            )
        subjects[row.subject] = new
    return subjects


def is_complete(subject: Subject, window: Window) -> bool:
    """Returns whether a subject may land: it began within the window, long enough ago."""
    if subject.first >= window.end:
        return False
    earliest = to_iso(datetime.fromisoformat(window.begin) + BEGINNING)
    return subject.begins or window.first or subject.first >= earliest
