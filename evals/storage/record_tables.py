"""Records as Arrow tables, and rows of tables as records.

`parquet_files` and `lake` write and read them; the records are in `tables` and `evals.records`.
"""

from __future__ import annotations

import functools
import itertools
import json
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from evals.records import JsonLike, encode_each
from evals.storage.arrow_columns import build_array

if TYPE_CHECKING:
    import pyarrow as pa

ARROW: dict[object, str] = {
    str: "string",
    int: "int64",
    float: "float64",
    bool: "bool",
    bytes: "binary",
}

R = TypeVar("R")


@functools.cache
def list_fields(record: type) -> dict[str, object]:
    """Returns the types of the record's fields by name."""
    hints = typing.get_type_hints(record)
    return {name: hints[name] for name in record.__annotations__}


def name_column(name: str) -> str:
    """Returns the name of the column that stores a field."""
    return "date" if name == "night" else name


@functools.cache
def build_schema(record: type) -> Any:
    """Returns the Arrow schema of a table of records: nested values are JSON text."""
    import pyarrow as pa

    type_for_alias: Callable[[str], pa.DataType] = pa.type_for_alias  # pyright: ignore[reportAssignmentType] # any of its names

    def arrow(hint: object) -> pa.DataType:
        if isinstance(hint, types.UnionType):
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        if typing.get_origin(hint) is typing.Literal:
            return pa.string()
        if hint is datetime:
            return pa.timestamp("us", tz="UTC")
        if hint is date:
            return pa.date32()
        return type_for_alias(ARROW.get(hint, "string"))

    return pa.schema(
        [(name_column(name), arrow(hint)) for name, hint in list_fields(record).items()]
    )


def is_nested(hint: object) -> bool:
    """Whether a field is JSON rather than a scalar."""
    return typing.get_origin(hint) in (tuple, dict, list) or hint is Any


def to_table(record: type, rows: Iterable[object]) -> pa.Table:
    """Returns records as an Arrow table."""
    import pyarrow as pa

    rows = list(rows)
    schema = build_schema(record)
    arrays: list[Any] = []
    for name, hint in list_fields(record).items():
        values = [getattr(row, name) for row in rows]
        if is_nested(hint):
            values = encode_nested(values)
        arrays.append(build_array(values, schema.field(name_column(name)).type))
    return pa.Table.from_arrays(arrays, schema=schema)


def encode_nested(values: Sequence[JsonLike]) -> list[str | None]:
    """Encodes nested values as the JSON text of a column."""
    texts = iter(encode_each([value for value in values if value is not None]))
    return [None if value is None else next(texts).decode() for value in values]


def build_records(record: type[R], rows: Iterable[dict[str, Any]]) -> list[R]:
    """Returns records from rows of their table; a column that an old file lacks has its default."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return []
    rows = itertools.chain((first,), rows)
    hints = {name: hint for name, hint in list_fields(record).items() if name_column(name) in first}
    nested = {name: typing.get_origin(hint) for name, hint in hints.items() if is_nested(hint)}
    plain = [(name, name_column(name)) for name in hints if name not in nested]
    records: list[R] = []
    for row in rows:
        values = {name: row.get(key) for name, key in plain}
        for name, origin in nested.items():
            value = json.loads(row[name]) if row[name] is not None else None
            values[name] = tuple(value) if origin is tuple and value is not None else value
        records.append(record(**values))
    return records
