"""Rows that came one by one, as a table: spelled once, for their content's hash and their columns.

What may rest of a row is `privacy`'s to say; which rows are the same, `identity`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from evals.ingest.identity import HASHED, hash_cells
from evals.records import Json, Trace, encode_canonical, encode_each
from evals.storage.arrow_columns import column as as_column
from evals.storage.tables import arrow_schema
from evals.traces.rows.shapes import NESTED, to_microseconds

EMPTY: dict[type, str] = {tuple: "[]", list: "[]", dict: "{}"}


class CleanedRow(NamedTuple):
    """A row that passed the door."""

    found: Trace
    """As it was read: what its hash is made of."""
    kept: Trace
    """As it may rest; what nobody had to change is the same object."""


def build_table(rows: Sequence[CleanedRow], key: bytes) -> Any:
    """The rows as an Arrow table of traces, each with the keyed hash of its content.

    Raises:
        UnicodeEncodeError: a text that rests holds half a surrogate pair.
    """
    import pyarrow as pa

    found, kept = [row.found for row in rows], [row.kept for row in rows]
    cells = {field: list_values(found, field) for field in HASHED}
    cells |= {field: encode_nested(cells[field]) for field in NESTED}
    hashes = [hash_cells(row, key) for row in zip(*cells.values(), strict=True)]
    schema = arrow_schema(Trace)
    columns: list[Any] = []
    for field in schema:
        if field.name == "content_hash":
            column = hashes
        elif field.name in NESTED:
            column = encode_changed(rows, field.name, cells[field.name])
        else:
            column = [getattr(trace, field.name) for trace in kept]
        columns.append(as_column(column, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def list_values(traces: Sequence[Trace], field: str) -> list[Any]:
    """A field of each trace, its moment as a column holds it."""
    if field == "ts":
        return [to_microseconds(trace.ts) for trace in traces]
    return [getattr(trace, field) for trace in traces]


def encode_nested(values: Sequence[Json]) -> list[str]:
    """Nested values as text; those that say nothing cost nothing."""
    some = iter(encode_each([value for value in values if value]))
    return [
        next(some).decode("utf-8", "surrogatepass") if value else EMPTY[type(value)]
        for value in values
    ]


def encode_changed(rows: Sequence[CleanedRow], field: str, cells: Sequence[str]) -> list[str]:
    """A nested column as it may rest: spelled anew where the door changed it."""
    return [
        cell
        if (now := getattr(row.kept, field)) is getattr(row.found, field)
        else encode_canonical(now).decode()
        for row, cell in zip(rows, cells, strict=True)
    ]
