"""Builds a table of single rows, encoding each once for its hash and its columns.

What is redacted is decided in `privacy`; which rows are the same, in `identity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from evals.ingest.identity import HASHED, hash_cells
from evals.records import Json, Trace, encode_canonical, encode_each
from evals.storage.arrow_columns import build_array
from evals.storage.record_tables import build_schema
from evals.traces.rows.fields import NESTED
from evals.traces.rows.timestamps import to_microseconds

if TYPE_CHECKING:
    import pyarrow

EMPTY: dict[type, str] = {tuple: "[]", list: "[]", dict: "{}"}


class FilteredRow(NamedTuple):
    """A row before and after the privacy filter."""

    original: Trace
    """As it was read; its hash is made of this."""
    filtered: Trace
    """As it is stored; unchanged values are the same objects."""


def build_table(rows: Sequence[FilteredRow], key: bytes) -> pyarrow.Table:
    """Builds an Arrow table of traces, each with the keyed hash of its content.

    Raises:
        UnicodeEncodeError: a stored text has a lone surrogate.
    """
    import pyarrow as pa

    originals, filtered = [row.original for row in rows], [row.filtered for row in rows]
    cells = {field: list_values(originals, field) for field in HASHED}
    cells |= {field: encode_nested(cells[field]) for field in NESTED}
    hashes = [
        hash_cells(row, trace.status, key)
        for row, trace in zip(zip(*cells.values(), strict=True), originals, strict=True)
    ]
    schema = build_schema(Trace)
    columns: list[Any] = []
    for field in schema:
        if field.name == "content_hash":
            column = hashes
        elif field.name in NESTED:
            column = encode_changed(rows, field.name, cells[field.name])
        else:
            column = [getattr(trace, field.name) for trace in filtered]
        columns.append(build_array(column, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def list_values(traces: Sequence[Trace], field: str) -> list[Any]:
    """Returns a field of each trace, timestamps in microseconds."""
    if field == "ts":
        return [to_microseconds(trace.ts) for trace in traces]
    return [getattr(trace, field) for trace in traces]


def encode_nested(values: Sequence[Json]) -> list[str]:
    """Encodes nested values as JSON; empty ones without calling the encoder."""
    some = iter(encode_each([value for value in values if value]))
    return [
        next(some).decode("utf-8", "surrogatepass") if value else EMPTY[type(value)]
        for value in values
    ]


def encode_changed(rows: Sequence[FilteredRow], field: str, cells: Sequence[str]) -> list[str]:
    """Encodes a nested column again where the privacy filter changed it."""
    return [
        cell
        if (now := getattr(row.filtered, field)) is getattr(row.original, field)
        else encode_canonical(now).decode()
        for row, cell in zip(rows, cells, strict=True)
    ]
