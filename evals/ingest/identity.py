"""Hashes rows by their content, with a key, regardless of where they were read.

The key is the home's, so that no text can be guessed from its hash. Which of several equal rows
is accepted is decided in `validation`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from evals.records import AnswerStatus, JsonLike, Trace, encode_canonical
from evals.traces.reader import Columns
from evals.traces.rows.fields import DEFAULTS, NESTED
from evals.traces.rows.timestamps import to_microseconds

HASHED = sorted(set(DEFAULTS) - {"status"})
"""The fields of every row's hash; a status joins it where it is not `ok`."""
DIGITS = 32
"""Hexadecimal digits of a hash."""


def hash_columns(columns: Columns, key: bytes) -> list[str]:
    """Returns the content hash of each row, of its cells in the order of their fields' names."""
    cells: list[Iterable[Any]] = [
        columns.cells.get(field) or itertools.repeat(DEFAULTS[field], columns.size)
        for field in HASHED
    ]
    texts = map(orjson.dumps, zip(*cells, strict=True))
    statuses = columns.cells.get("status") or itertools.repeat("ok", columns.size)
    return [
        hash_content(add_status(text, status), key)
        for text, status in zip(texts, statuses, strict=True)
    ]


def add_status(text: bytes, status: AnswerStatus) -> bytes:
    """Adds a status to a row's text, unless it is `ok`: hashes made before there was one stay."""
    return text if status == "ok" else text + status.encode()


def hash_trace(trace: Trace, key: bytes) -> str:
    """Returns the content hash of a single row, the same as by column."""
    cells = [to_cell(field, getattr(trace, field)) for field in HASHED]
    return hash_cells(cells, trace.status, key)


def hash_cells(cells: Sequence[JsonLike], status: AnswerStatus, key: bytes) -> str:
    """Returns the content hash of a row's cells, in the order of `HASHED`."""
    try:
        text = orjson.dumps(cells)
    except TypeError:  # a lone surrogate, which no column can have
        text = encode_canonical(cells)
    return hash_content(add_status(text, status), key)


def to_cell(field: str, value: Any) -> JsonLike:
    """Returns a value as in a column."""
    if field == "ts":
        return to_microseconds(value)
    return encode_canonical(value).decode("utf-8", "surrogatepass") if field in NESTED else value


def hash_content(text: bytes, key: bytes) -> str:
    """Returns a row's hash in hex: SHA-256, fast in hardware, of the key and the text.

    It is cut to half, so that it cannot be extended to the hash of a longer text.
    """
    state = start_hash(key).copy()
    state.update(text)
    return state.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=8)
def start_hash(key: bytes) -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]  # it has no public name
    """Returns the hash state after the key; cached."""
    return hashlib.sha256(key)
