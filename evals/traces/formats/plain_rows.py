"""Rows with canonical or mapped names: a JSON list, CSV and Parquet tables.

`json_lines` reads lines of JSON, as columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evals.traces.files.streams import Line
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading


class PlainRows(NamedTuple):
    """A table of canonical or mapped columns."""

    NAME: str

    def sniff(self, head: bytes, filename: str) -> bool:
        """Returns True: these formats take what no product's format recognizes."""
        return True

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
        """Yields one trace or one refusal for each row."""
        for line in rows:
            yield from canonical.read_row(line, reading, self.NAME)


DOCUMENT, CSV, PARQUET = PlainRows("json"), PlainRows("csv"), PlainRows("parquet")
