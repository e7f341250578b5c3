"""An optional field that cannot be read is null and noted; it never refuses its row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.specs import Mapping
from evals.traces import reader
from evals.traces.files.containers import inspect_file
from evals.traces.reader import Reading
from evals.traces.rows import mapping, numbers
from evals.traces.rows.notes import ReadingNotes, shorten_example

ROW = {"trace_id": "t-1", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": "Hello."}


def read_one(folder: Path, row: Any, declared: Mapping | None = None) -> Any:
    """What a file of one row yields."""
    path = folder / "day.jsonl"
    path.write_text(row if isinstance(row, str) else json.dumps(row))
    (found,) = reader.read_file(path, mappings={"it": declared} if declared else {})
    return found


@pytest.mark.parametrize(
    ("field", "value", "null"),
    [
        ("tokens_in", True, None),
        ("tokens_in", 1.5, None),
        ("tokens_in", "many", None),
        ("tokens_out", 2**63, None),
        ("latency_ms", "12 ms", None),
        ("latency_ms", [40], None),
        ("cost_usd", {"usd": 1}, None),
        ("session_id", True, None),
        ("user_id", {"id": 7}, None),
        ("model", ["a", "b"], None),
        ("messages", "Hi", ()),
        ("steps", {"kind": "tool"}, ()),
        ("feedback", 1, ()),
        ("tags", {"a": 1}, ()),
        ("params", "hot", {}),
        ("versions", ["v1"], {}),
    ],
)
def test_an_optional_field_that_cannot_be_read_is_null(
    tmp_path: Path, field: str, value: Any, null: Any
) -> None:
    """Its value is kept in the metadata, so that nothing is lost."""
    trace = read_one(tmp_path, {**ROW, field: value})
    assert getattr(trace, field) == null
    assert trace.metadata == {"unread": {field: value}}


def test_metadata_that_is_no_object_is_kept(tmp_path: Path) -> None:
    """Beside the row's other keys."""
    trace = read_one(tmp_path, {**ROW, "metadata": [1], "x": 2})
    assert trace.metadata == {"unread": {"metadata": [1]}, "x": 2}


def test_not_a_number_is_null(tmp_path: Path) -> None:
    """Python's JSON writes NaN where a table has no value."""
    row = json.dumps({**ROW, "latency_ms": float("nan"), "cost_usd": float("-inf")})
    trace = read_one(tmp_path, row)
    assert (trace.latency_ms, trace.cost_usd) == (None, None)
    assert trace.metadata == {"unread": {"latency_ms": "NaN", "cost_usd": "-Infinity"}}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("latency_ms", "1157", 1157),
        ("latency_ms", "2747,2", 2747.2),
        ("latency_ms", " 1.5e3 ", 1500),
        ("latency_ms", "", None),
        ("tokens_in", "12", 12),
        ("tokens_in", "12.0", 12),
        ("cost_usd", "0,0021", 0.0021),
        ("tags", "a, b", ("a", "b")),
        ("tags", [1, None, "x"], ("1", "x")),
        ("versions", {"index": 7, "flag": True, "none": None}, {"index": "7", "flag": "true"}),
        ("messages", '[{"role": "user"}]', ({"role": "user"},)),
        ("params", '{"t": 1}', {"t": 1}),
    ],
)
def test_a_text_that_has_one_reading_is_read(
    tmp_path: Path, field: str, value: Any, expected: Any
) -> None:
    """As a number, a list or an object, in JSON as in tables; nothing is noted."""
    trace = read_one(tmp_path, {**ROW, field: value})
    assert getattr(trace, field) == expected
    assert "unread" not in trace.metadata


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("1.234,5", None, 1234.5),
        ("1,234.5", None, 1234.5),
        ("1.234.567", None, 1234567),
        ("1,234,567", None, 1234567),
        ("1,234", None, None),
        ("0,234", None, 0.234),
        ("1.234", None, 1.234),
        ("1.234", ",", 1234),
        ("1,234", ",", 1.234),
        ("1,234", ".", 1234),
        ("12 345,6", ",", 12345.6),
        ("12\u202f345,6", None, 12345.6),
        ("12'345.6", None, 12345.6),
        ("-3,5", None, -3.5),
        ("+3", None, 3),
        (".5", None, 0.5),
        ("1.23,4,5", None, None),
        ("12,34,5", ".", None),
        ("1 2", None, None),
        ("1..2", None, None),
        ("9e999", None, None),
        ("ⅶ", None, None),
        ("", None, None),
    ],
)
def test_a_number_is_read_by_its_marks(
    text: str, decimal: numbers.Mark | None, expected: float | None
) -> None:
    """One with two readings is not guessed, unless the decimal mark is declared."""
    assert numbers.read_number(text, decimal) == expected


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_as_json_writes_it_is_read_exactly(number: float) -> None:
    """Whatever its size."""
    assert numbers.read_number(json.dumps(number)) == number or len(str(number)) > numbers.LONGEST


def test_decimal_commas_are_found_in_the_first_rows() -> None:
    """By a number that can have no other mark; none where points are decimal too."""
    assert numbers.find_decimal_comma(["1,234", "2747,2", "v1", None]) == ","
    assert numbers.find_decimal_comma(["0,234"]) == ","
    assert numbers.find_decimal_comma(["1,234"]) is None
    assert numbers.find_decimal_comma(["2747,2", "0.75"]) is None
    assert numbers.find_decimal_comma(["01.10.2026", "10.0.0.1", "1.2.3"]) is None


def read_notes(path: Path, mappings: dict[str, Mapping] | None = None) -> ReadingNotes:
    """What reading a file notes."""
    reading = Reading(path.name, mapping.make_plans(mappings or {}, None))
    for _ in reader.read_batches(path, reading, inspect_file(path)):
        pass
    return reading.notes


def test_unreadable_values_are_counted_by_field_with_the_first(tmp_path: Path) -> None:
    """Rows read by the column and rows read alone are counted together."""
    path = tmp_path / "day.jsonl"
    values: list[Any] = [1, "n/a", 2.5, True, "12 ms"]
    lines = [{**ROW, "trace_id": f"t{n}", "latency_ms": v} for n, v in enumerate(values)]
    path.write_text("\n".join(map(json.dumps, lines)))
    (note,) = read_notes(path).unread.items()
    assert note == ("latency_ms", (3, 2, "n/a"))


def test_an_example_has_no_long_words() -> None:
    """They may be a person's own text."""
    assert shorten_example("about 12 ms, says Doctor Whoever") == "about 12 ms, says … …"
    assert len(shorten_example("1 " * 100)) == 40
