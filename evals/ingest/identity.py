"""When two rows are the same: a keyed hash of everything but where they were read.

The key is the home's, so that no text can be guessed from its hash. Which of several rows is
kept is decided at `admission`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from evals.records import Trace, encode_canonical
from evals.traces.reader import Columns
from evals.traces.rows.shapes import DEFAULTS, NESTED, to_microseconds

HASHED = sorted(DEFAULTS)
DIGITS = 32
"""Hexadecimal digits of a hash."""


def hash_columns(columns: Columns, key: bytes) -> list[str]:
    """The content hash of each row, of its cells in the order of their fields' names."""
    cells: list[Iterable[Any]] = [
        columns.cells.get(field) or itertools.repeat(DEFAULTS[field], columns.size)
        for field in HASHED
    ]
    return [hash_content(text, key) for text in map(orjson.dumps, zip(*cells, strict=True))]


def hash_trace(trace: Trace, key: bytes) -> str:
    """The content hash of a row that came by itself: the same as by the column."""
    return hash_cells([to_cell(field, getattr(trace, field)) for field in HASHED], key)


def hash_cells(cells: Sequence[Any], key: bytes) -> str:
    """The content hash of a row's cells, in the order of `HASHED`."""
    try:
        text = orjson.dumps(cells)
    except TypeError:  # half a surrogate pair: no column can hold it either
        text = encode_canonical(cells)
    return hash_content(text, key)


def to_cell(field: str, value: Any) -> Any:
    """A value as a column holds it."""
    if field == "ts":
        return to_microseconds(value)
    return encode_canonical(value).decode("utf-8", "surrogatepass") if field in NESTED else value


def hash_content(text: bytes, key: bytes) -> str:
    """A row's hash in hex: SHA-256, which processors do themselves, of the key and the text.

    Half of it is kept, so that nobody can go on from it to the hash of a longer text.
    """
    found = start_hash(key).copy()
    found.update(text)
    return found.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=8)
def start_hash(key: bytes) -> Any:
    """The hash of a key, to go on from."""
    return hashlib.sha256(key)
