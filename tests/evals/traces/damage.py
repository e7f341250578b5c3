"""Damaged copies of trace files: bytes changed, values replaced by hostile ones, parts lost.

What must hold of whatever an importer makes of them is told in `oracle`.
"""

from __future__ import annotations

import copy
import io
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 2**63, -(2**70), 1e308, 5e-324, 0.1, "", " ", "x" * 3000),
    *("\ud800", "\x00", "../../etc/passwd", "9999-99-99", "2026-10-01", "1e999", "{", "[1", "null"),
    *([], {}, [None], [[]], [{}], {"": None}, {"a": {"a": {"a": []}}}, ["x", 1, None, {"role": 1}]),
    *([{"role": "user"}], {"parts": 1}, {"messages": {}}, {"choices": [None]}, '{"a": [1, {}]}'),
]
PIECES = (b"\n", b'"', b"{", b"]", b"\\", b"\x00", b"\xff", b",", b"NaN", b"1e999")
CELLS: list[list[Any]] = [
    [float("nan"), float("inf"), -float("inf"), 1e308],
    ["[" * 5000, '{"a":' * 5000, "NaN", "\x00"],
    ["../../etc/passwd", "C:\\x", "'; drop table traces; --", "\u202e"],
    [b"\xff\xfe", b"", b"\x00", b"{"],
    [[1, None], [], None, [2**62]],
    [{"a": {"b": None}}, {"a": None}, None, {"a": {"b": "x"}}],
    [2**63 - 1, -(2**63), 0, None],
]
"""Columns of hostile cells, each of one Arrow type; they are repeated to a table's length."""


class Seed(NamedTuple):
    """A whole file that is damaged."""

    name: str
    data: bytes

    @classmethod
    def of(cls, path: Path) -> Seed:
        """The file at a path."""
        return cls(path.name, path.read_bytes())


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A value with something in it replaced, left out or put in twice."""
    if rng.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return copy.deepcopy(rng.choice(HOSTILE))
    if isinstance(value, list):
        at = rng.randrange(len(value))
        what = rng.random()
        if what < 0.15:
            return value[:at] + value[at + 1 :]
        if what < 0.3:
            return [*value, value[at]]
        return [*value[:at], damaged_value(value[at], rng), *value[at + 1 :]]
    key = rng.choice(list(value))
    what = rng.random()
    if what < 0.15:
        return {name: item for name, item in value.items() if name != key}
    if what < 0.2:
        return {**value, rng.choice(["", "id", "data", "trace", "\x00", "a.b"]): value[key]}
    return {**value, key: damaged_value(value[key], rng)}


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few changed, lost, put in or repeated."""
    for _ in range(rng.randrange(1, 5)):
        at, size = rng.randrange(len(data) + 1), rng.randrange(1, 20)
        data = rng.choice(
            [
                data[:at] + rng.choice(PIECES) + data[at:],
                data[:at] + data[at + size :],
                data[:at] + data[at : at + 50 * size] + data[at:],
                data[:at] + bytes(byte ^ 0x11 for byte in data[at : at + 2]) + data[at + 2 :],
                data[:at],
            ]
        )
    return data


def damaged_table(data: bytes, rng: random.Random) -> bytes:
    """A Parquet file with a column of hostile cells, or one lost, doubled or of another type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    at, what = rng.randrange(table.num_columns), rng.random()
    name = table.schema.names[at]
    if what < 0.15:
        table = table.remove_column(at)
    elif what < 0.3:
        table = table.append_column(name, table.column(at))
    else:
        cells = (rng.choice(CELLS) * table.num_rows)[: table.num_rows]
        table = table.set_column(at, name, pa.array(cells))
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


def damaged(seed: Seed, rng: random.Random) -> bytes:
    """A damaged copy of a file."""
    if rng.random() < 0.4:
        return damaged_bytes(seed.data, rng)
    if seed.name.endswith(".parquet"):
        return damaged_table(seed.data, rng)
    try:
        whole = json.loads(seed.data)
    except ValueError:
        lines = seed.data.split(b"\n")
        at = rng.randrange(len(lines))
        try:
            lines[at] = json.dumps(damaged_value(json.loads(lines[at]), rng)).encode()
        except ValueError:
            return damaged_bytes(seed.data, rng)
        return b"\n".join(lines)
    return json.dumps(damaged_value(whole, rng), indent=rng.choice([None, 1])).encode()
