"""Rows under canonical names, or those a mapping names: a JSON list, CSV and Parquet tables.

Lines of JSON are `json_lines`, which reads them by the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evals.traces.files.streams import Line
from evals.traces.rows import canonical
from evals.traces.rows.canonical import Found, Reading


class PlainRows(NamedTuple):
    """A table of canonical columns, or of those a mapping names."""

    NAME: str

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whatever no product's format knows as its own."""
        return True

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
        """One trace or one refusal a row."""
        for line in rows:
            yield canonical.read_row(line, reading, self.NAME)


DOCUMENT, CSV, PARQUET = PlainRows("json"), PlainRows("csv"), PlainRows("parquet")
