"""Promises of files whose rows are not lines: JSON documents, CSV and Parquet."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.specs import Column, Mapping
from evals.traces import reader
from evals.traces.files import documents

ROWS = [
    {"trace_id": f"t-{n}", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": f"é {n} ]}}"}
    for n in range(3)
]


def read_all(path: Path, mapping: Mapping | None = None) -> list[Any]:
    """Reads everything in a file."""
    return list(reader.read_file(path, mappings={"it": mapping} if mapping else {}))


def read_bytes(folder: Path, data: bytes, name: str, mapping: Mapping | None = None) -> list[Any]:
    """Reads a file of these bytes."""
    (folder / name).write_bytes(data)
    return read_all(folder / name, mapping)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("indent", [None, 2])
def test_each_element_of_a_list_in_one_document_is_a_row(
    tmp_path: Path, indent: int | None, compressed: bool
) -> None:
    """The document may be compact or indented, under any name, compressed or not."""
    data = json.dumps(ROWS, indent=indent).encode()
    items = read_bytes(tmp_path, gzip.compress(data) if compressed else data, "noname")
    assert [row.trace_id for row in items] == ["t-0", "t-1", "t-2"]
    assert [(row.source_format, row.source_line) for row in items] == [
        ("json", 1),
        ("json", 2),
        ("json", 3),
    ]
    assert items[1].output == "é 1 ]}"


def test_objects_over_many_lines_may_follow_each_other(tmp_path: Path) -> None:
    """Indented objects without a list around them are rows."""
    data = "\n".join(json.dumps(row, indent=2) for row in ROWS).encode()
    assert [row.trace_id for row in read_bytes(tmp_path, data, "x.json")] == ["t-0", "t-1", "t-2"]


def test_a_damaged_element_loses_no_other(tmp_path: Path) -> None:
    """A duplicate key, a scalar or a missing comma harms its own element only."""
    good = [json.dumps(row, indent=1) for row in ROWS]
    data = f'[{good[0]}, {{"x": 1, "x": 2}}, 7, {good[1]} {good[2]}]'.encode()
    items = read_bytes(tmp_path, data, "x.json")
    assert [getattr(row, "code", "read") for row in items] == [
        "read",
        "duplicate-key",
        "not-an-object",
        "read",
        "read",
    ]


def test_the_rows_before_the_cut_of_a_document_are_read(tmp_path: Path) -> None:
    """The rest is one refusal."""
    data = json.dumps(ROWS, indent=2).encode()[:-30]
    *traces, last = read_bytes(tmp_path, data, "x.json")
    assert [row.trace_id for row in traces] == ["t-0", "t-1"]
    assert (last.code, last.source_line) == ("truncated-json", 3)


class SlowStream(io.BytesIO):
    """A stream that returns a few bytes at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """Reads at most five bytes."""
        return super().read1(5)


json_values = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=5), st.booleans())
def test_elements_are_cut_where_they_end(rows: list[Any], indented: bool) -> None:
    """It is so for any strings, and wherever a read ends."""
    data = json.dumps(rows, indent=2 if indented else None, ensure_ascii=False).encode()
    for stream in (io.BytesIO(data), SlowStream(data)):
        items = list(documents.read_documents(stream))
        assert [json.loads(line.raw) for line in items] == rows
        assert [line.number for line in items] == list(range(1, len(rows) + 1))


def test_key_paths_are_read_from_a_truncated_text() -> None:
    """Lists add no level, and keys inside strings are ignored."""
    text = b'{"data": [{"id": 1, "a": {"b": {"c": {"d": 1}}}, "s": "\\"k\\": 1"}, {"z'
    assert documents.list_key_paths(text) == {"data", "data.id", "data.a", "data.a.b", "data.s"}


CSV = (
    "trace_id;at;question;output;tokens_in;latency_ms;messages;007\n"
    't-1;1.10.2026 14:00 +0200;"two\nlines; and ""quotes""";;12;1.5;"[{""role"":""user""}]";007\n'
    "t-2;1.10.2026 14:00 +0200;é;42;;;;\n"
    "t-3;too;few\n"
    "t-4;1.10.2026 14:00 +0200;x;y;many;;;\n"
)
MAPPING = Mapping(
    columns={"ts": Column(path="at", format="%d.%m.%Y %H:%M %z"), "input": "question"},
    constants={"app": "chat"},
)


@pytest.mark.parametrize("name", ["day.csv", "day", "day.csv.gz"])
def test_csv_is_read_through_a_mapping(tmp_path: Path, name: str) -> None:
    """Values are typed by their column, and bad rows are refused alone, with their number."""
    data = CSV.encode()
    items = read_bytes(
        tmp_path, gzip.compress(data) if name.endswith("gz") else data, name, MAPPING
    )
    first, second, ragged, typed = items
    assert isinstance(first, Trace)
    assert first.ts == datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert first.input == 'two\nlines; and "quotes"'
    assert (first.tokens_in, first.latency_ms, first.output) == (12, 1.5, "")
    assert first.messages == ({"role": "user"},)
    assert first.metadata["007"] == "007"
    assert (second.input, second.output, second.tokens_in) == ("é", "42", None)
    assert second.source_format == "csv"
    assert (ragged.code, ragged.source_line) == ("ragged-row", 3)
    assert "3 cells under a header of 8" in ragged.reason
    assert (typed.tokens_in, typed.metadata["unread"]) == (None, {"tokens_in": "many"})


def test_a_csv_row_that_is_not_utf8_is_refused_alone(tmp_path: Path) -> None:
    """The rows around it are read, since one damaged byte does not change the encoding."""
    lines = [b"trace_id,ts,app,output"]
    lines += [f"t-{n},2026-10-01T00:00:00Z,chat,x".encode() for n in range(3)]
    lines[1] += "é".encode()
    lines[2] += b"\xff"
    items = read_bytes(tmp_path, b"\r\n".join(lines), "day.csv")
    assert [getattr(row, "code", "read") for row in items] == ["read", "not-utf8", "read"]


def test_prose_with_commas_is_not_read_as_csv(tmp_path: Path) -> None:
    """A file of an unknown format is refused as a whole, not row by row."""
    (refusal,) = read_bytes(tmp_path, b"Dear all, I am off today.\nBye, Ada\n", "note.txt")
    assert (refusal.code, refusal.source_line) == ("unreadable-file", 0)


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    """Writes a Parquet file."""
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_is_read_by_its_types(tmp_path: Path) -> None:
    """Timestamps, nested columns, decimals and JSON in text; nulls are null."""
    from decimal import Decimal

    moment = datetime(2026, 10, 1, 12, tzinfo=UTC)
    path = write_parquet(
        tmp_path / "noname",
        {
            "trace_id": ["t-1", "t-2"],
            "ts": pa.array([moment, moment], pa.timestamp("ns", "UTC")),
            "app": ["chat", "chat"],
            "output": ["yes", None],
            "messages": [[{"role": "user", "content": "Hi?"}], []],
            "metadata": ['{"team": "a"}', None],
            "cost_usd": [Decimal("0.25"), None],
            "versions": pa.array([{"index": "7"}, None]),
        },
    )
    first, second = read_all(path)
    assert (first.ts, first.input, first.cost_usd) == (moment, "Hi?", 0.25)
    assert (first.metadata, first.versions) == ({"team": "a"}, {"index": "7"})
    assert (second.output, second.metadata, second.cost_usd) == ("", {}, None)
    assert (second.source_format, second.source_line) == ("parquet", 2)


def test_a_parquet_row_is_refused_alone(tmp_path: Path) -> None:
    """It is refused with its number, also where its text is not UTF-8."""
    text = pa.array([b"good", b"bad \xff", b"good"]).view(pa.string())
    path = write_parquet(
        tmp_path / "day.parquet",
        {
            "trace_id": ["t-1", "t-2", None],
            "ts": ["2026-10-01T12:00:00Z"] * 3,
            "app": ["chat"] * 3,
            "output": text,
        },
    )
    items = read_all(path)
    assert [getattr(row, "code", "read") for row in items] == ["read", "not-utf8", "no-trace-id"]
    assert [row.source_line for row in items] == [1, 2, 3]


@pytest.mark.parametrize("cut", [4, 100, 400])
def test_a_damaged_parquet_file_is_refused_as_a_whole(tmp_path: Path, cut: int) -> None:
    """Its index is at its end, so no row before the cut is readable."""
    path = write_parquet(tmp_path / "x.parquet", {"trace_id": ["a"] * 9, "output": ["b"] * 9})
    path.write_bytes(path.read_bytes()[:cut])
    (refusal,) = read_all(path)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unreadable-file"
    assert str(tmp_path) not in refusal.reason
