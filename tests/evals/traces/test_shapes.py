"""Promises of reading by the column: any cells are the same as by the row."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from evals.ingest.identity import hash_columns, hash_trace
from evals.records import Refusal, Trace
from evals.specs import Column, Mapping
from evals.storage.record_tables import to_table
from evals.traces import reader
from evals.traces.reader import Columns, Reading
from evals.traces.rows import mapping
from evals.traces.rows.fields import DEFAULTS
from evals.traces.rows.timestamps import to_microseconds

KEY = b"key"
WHENCE = ("source_file", "source_format", "turn")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "tool"]), "content": VALUE}),
    max_size=3,
)
TIMES = st.sampled_from(
    [
        "2026-10-01T12:00:00Z",
        "2026-10-01T14:00:00.5+02:00",
        "2026-10-01 12:00:00",
        "2026-10-01",
        "x",
    ]
)
ROWS = st.fixed_dictionaries(
    {"trace_id": TEXT | st.integers(), "ts": TIMES, "app": st.sampled_from(["chat", "a b", "qa"])},
    optional={
        "input": TEXT | VALUE,
        "output": TEXT | VALUE,
        "context": TEXT | st.none(),
        "messages": MESSAGES | VALUE,
        "steps": st.lists(VALUE, max_size=2),
        "tags": st.lists(TEXT, max_size=2) | VALUE,
        "metadata": st.dictionaries(TEXT, VALUE, max_size=2) | VALUE,
        "versions": st.dictionaries(TEXT, TEXT, max_size=2),
        "prompt_version": TEXT | st.integers() | st.none(),
        "prompt_hash": TEXT | st.none(),
        "status": st.sampled_from(["ok", "timeout", "open", "Failed", 200, "503", None]) | VALUE,
        "error": TEXT | VALUE,
        "finish_reason": st.sampled_from(["stop", "length", 3, None]) | VALUE,
        "tokens_in": st.integers() | st.floats() | st.none(),
        "latency_ms": st.integers() | st.floats() | st.none(),
        "cost_usd": st.floats(0, 1e-3) | VALUE,
        "id": TEXT,
        "question": TEXT | VALUE,
        "answer": TEXT,
        "extra": VALUE,
        "more:": TEXT | st.floats(),
    },
)
PLAIN = {"trace_id": "t", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": "Hello."}
MAPPINGS = {
    "none": {},
    "flat": {"it": Mapping(columns={"input": "question", "ts": Column(path="ts")})},
    "constant": {"it": Mapping(columns={"output": "extra"}, constants={"provider": "openai"})},
    "deep": {
        "it": Mapping(columns={"input": "extra.text"}),
        "other": Mapping(columns={"metadata.x": "id"}),
    },
    "within": {"it": Mapping(columns={"versions.index": "extra"}, constants={"params.n": "1"})},
    "constant within": {"it": Mapping(constants={"versions.index": "1"})},
}


def rows_of(items: list[Any]) -> list[dict[str, Any]]:
    """Returns traces and columns as rows of the lake, by line."""
    items: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, Columns):
            hashes = hash_columns(item, KEY)
            for n, content_hash in enumerate(hashes):
                cells = {name: column[n] for name, column in item.cells.items()}
                items.append({**DEFAULTS, **cells, "content_hash": content_hash})
        elif isinstance(item, Trace):
            hashed = dataclasses.replace(item, content_hash=hash_trace(item, KEY))
            (row,) = to_table(Trace, [hashed]).to_pylist()
            row["ts"] = to_microseconds(item.ts)
            items.append({key: value for key, value in row.items() if key not in WHENCE})
    return sorted(items, key=lambda row: row["source_line"])


@given(st.lists(ROWS, max_size=6), st.sampled_from(sorted(MAPPINGS)), st.booleans())
@example(
    [{"trace_id": "t", "ts": "2026-10-01T12:00:00Z", "app": "chat", "cost_usd": 2e-05}],
    "none",
    True,
)
def test_columns_give_the_cells_that_rows_give(rows: list[Any], name: str, spaced: bool) -> None:
    """Every cell, content hash and refusal is the same whichever way rows are read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.jsonl"
        separators = (", ", ": ") if spaced else (",", ":")
        lines = [json.dumps(row, separators=separators) for row in rows]
        path.write_text("\n".join([*lines, "", "{", *lines[:1]]))
        one_by_one = list(reader.read_file(path, mappings=MAPPINGS[name]))
        reading = Reading(path.name, mapping.make_plans(MAPPINGS[name], None))
        together = list(reader.read_batches(path, reading))
    assert rows_of(together) == rows_of(one_by_one)
    refused = [sorted((r for r in items if isinstance(r, Refusal)), key=lambda r: r.source_line)
               for items in (one_by_one, together)]  # fmt: skip
    assert refused[0] == refused[1]


def test_plain_rows_are_read_by_the_column(tmp_path: Path) -> None:
    """They are also when an unusual row is among them."""
    path = tmp_path / "day.jsonl"
    rows = [PLAIN, {**PLAIN, "output": {"text": "Hello."}}, PLAIN]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = list(reader.read_batches(path, Reading(path.name)))
    assert [item.size for item in items if isinstance(item, Columns)] == [2]
    assert [item.source_line for item in items if isinstance(item, Trace)] == [2]
