"""Explains what importing a file would do, without doing it.

Rows pass the same importers and redaction; nothing is written, and user ids are hashed with a
random key.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from evals.privacy.redaction import PrivacyFilter
from evals.readable import make_name_readable
from evals.records import Label, NonAnswer, Refusal, Trace
from evals.specs import Catalog
from evals.traces import reader
from evals.traces.files.containers import Container, inspect_file
from evals.traces.reader import Reading
from evals.traces.rows import mapping

MAX_ROWS = 10_000
"""The most rows of a file that are read."""
WORDS = {
    "lines": "one JSON object a line",
    "document": "a JSON document",
    "csv": "CSV with a header",
    "parquet": "Parquet",
}


class RefusedRows(NamedTuple):
    """Rows that would go to quarantine for one reason."""

    code: str
    rows: int
    line: int
    """The line of the first of them."""
    reason: str


@dataclasses.dataclass(frozen=True)
class FileExplanation:
    """A file's recognized format, and what importing it would do."""

    file: str
    packed_as: str
    format: str | None
    """Null if no format matches."""
    also: list[str]
    """Other formats that match it too."""
    mappings: list[str]
    """The catalog's mappings that were applied."""
    whole: bool
    """Whether every row was read."""
    traces: int
    labels: int
    apps: dict[str, int]
    nights: list[str]
    refused: list[RefusedRows]
    skipped: dict[str, int]
    """Entries of a log that are no answers, by kind."""
    first: dict[str, object] | None
    """The first trace, as it would be stored."""


def explain_file(
    catalog: Catalog,
    path: Path,
    *,
    assume_date: date | None = None,
    app: str | None = None,
    most: int = MAX_ROWS,
) -> FileExplanation:
    """Reads a file as an import would; returns its format and the rows' fate."""
    plans, app = mapping.make_plans(catalog.mappings, None), app or catalog.only_app
    begins, name = catalog.day_begins, make_name_readable(path.name)
    reading = Reading(name, plans, assume_date, day_begins=begins, path=path, app=app)
    container = inspect_file(path)
    form = reader.recognise_format(container, path.name)
    rows = reader.read_rows(path, reading, container, form)
    seen = list(itertools.islice(rows, most))
    whole = next(rows, None) is None
    privacy = PrivacyFilter(catalog, secrets.token_bytes())
    traces = [row for row in seen if isinstance(row, Trace)]
    nights = {(row.ts - timedelta(hours=begins)).date() for row in traces}
    first = privacy.filter_row(traces[0]) if traces else None
    return FileExplanation(
        file=name,
        packed_as=container.kind,
        format=form.NAME if form else None,
        also=list_other_formats(container, path.name, form),
        mappings=sorted(filter(None, reading.notes.mapped)),
        whole=whole,
        traces=len(traces),
        labels=sum(isinstance(row, Label) for row in seen),
        apps=dict(sorted(Counter(row.app for row in traces).items())),
        nights=sorted(night.isoformat() for night in nights),
        refused=group_by_reason([row for row in seen if isinstance(row, Refusal)]),
        skipped=dict(
            sorted(Counter(row.kind for row in seen if isinstance(row, NonAnswer)).items())
        ),
        first=describe_trace(first) if first else None,
    )


def list_other_formats(
    container: Container, filename: str, form: reader.Importer | None
) -> list[str]:
    """Lists the other formats that match the file."""
    others = (other for other in reader.FORMATS if other.sniff(container.head, filename))
    return [other.NAME for other in others if other is not form]


def group_by_reason(refusals: list[Refusal]) -> list[RefusedRows]:
    """Groups refusals by their code, the most frequent first."""
    counts = Counter(row.code for row in refusals)
    firsts = {row.code: row for row in reversed(refusals)}
    return [
        RefusedRows(code, count, firsts[code].source_line, firsts[code].reason)
        for code, count in counts.most_common()
    ]


def describe_trace(row: Trace | Refusal) -> dict[str, object]:
    """Returns a trace's fields that have a value, timestamps in ISO form."""
    fields: dict[str, object] = dataclasses.asdict(row)
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in fields.items()
        if value not in (None, "", (), [], {}) and not isinstance(value, bytes)
    }
