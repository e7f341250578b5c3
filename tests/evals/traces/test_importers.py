"""Promises of importers: well-formed and slightly odd files are read without loss.

Files made to do harm are in `test_hostile_files`.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.sources import pages
from evals.specs import Column, Mapping
from evals.traces import reader
from evals.traces.messages.chunks import read_events
from evals.traces.rows import canonical
from evals.traces.spans import observations

NIGHT = date(2026, 10, 1)
ROW = {
    "trace_id": "t-1",
    "ts": "2026-10-01T12:00:00Z",
    "app": "chat",
    "input": "Hi?",
    "output": "Hello.",
}


def write_rows(folder: Path, *rows: Any, name: str = "day.jsonl") -> Path:
    """Writes a file with one JSON row a line."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def read_all(path: Path, mappings: dict[str, Mapping] | None = None, **options: Any) -> list[Any]:
    """Reads everything in a file."""
    return list(reader.read_file(path, mappings=mappings or {}, **options))


def read_one(folder: Path, row: Any, mapping: Mapping | None = None, **options: Any) -> Any:
    """Reads a file of one row."""
    (item,) = read_all(write_rows(folder, row), {"it": mapping} if mapping else {}, **options)
    return item


def omit_key(key: str) -> dict[str, Any]:
    """Copies the plain row without one key."""
    return {name: value for name, value in ROW.items() if name != key}


def test_every_field_of_a_full_row_is_read(tmp_path: Path) -> None:
    """Each field is read under its own name, and the trace has its file and line."""
    full = {
        **ROW,
        "ts": "2026-10-01T14:00:00.250+02:00",
        "session_id": "s",
        "user_id": "u",
        "messages": [{"role": "user", "content": "Hi?"}],
        "context": "a passage",
        "steps": [{"tool": "search"}],
        "model_requested": "m",
        "model": "m-1",
        "provider": "openai",
        "params": {"temperature": 0.00001},
        "prompt_name": "p",
        "prompt_version": 3,
        "prompt_hash": "h",
        "git_commit": "c",
        "versions": {"index": 7},
        "finish_reason": "stop",
        "tokens_in": 12.0,
        "tokens_out": 5,
        "latency_ms": 40,
        "cost_usd": 0.00002,
        "feedback": [{"thumb": "up"}],
        "tags": ["a"],
        "metadata": {"k": None},
        "status": "ok",
    }
    trace = read_one(tmp_path, full)
    expected = {
        **full,
        "ts": datetime(2026, 10, 1, 12, 0, 0, 250_000, UTC),
        "prompt_version": "3",
        "versions": {"index": "7"},
        "tokens_in": 12,
        "latency_ms": 40.0,
        "source_format": "jsonl",
        "source_file": "day.jsonl",
        "source_line": 1,
        "content_hash": "",
        "turn": None,
    }
    lists = {key: tuple(v) for key, v in expected.items() if type(v) is list}
    assert dataclasses.asdict(trace) == {**expected, **lists}
    assert set(expected) == {field.name for field in dataclasses.fields(Trace)}


def test_a_missing_value_is_null(tmp_path: Path) -> None:
    """Absent keys and explicit nulls are the same, and no value is invented."""
    trace = read_one(tmp_path, {**omit_key("output"), "model": None, "context": None, "tags": None})
    assert (trace.output, trace.model, trace.context, trace.tags) == ("", None, None, ())
    assert (trace.tokens_in, trace.cost_usd, trace.metadata) == (None, None, {})


def test_unknown_keys_go_to_metadata(tmp_path: Path) -> None:
    """No key is lost, also where metadata has the same key."""
    trace = read_one(tmp_path, {**ROW, "run": 2, "content_hash": "x", "metadata": {"run": 1}})
    assert trace.metadata == {"run": 1, "row.run": 2, "content_hash": "x"}


def test_synonyms_fill_only_what_is_missing(tmp_path: Path) -> None:
    """`id`, `timestamp`, `question`, `answer`, `user` and `session` never replace a field."""
    plain = {
        "id": 17,
        "timestamp": "2026-10-01",
        "app": "chat",
        "question": "q",
        "answer": "a",
        "user": {"name": "structured"},
        "session": "s",
    }
    trace = read_one(tmp_path, plain)
    assert (trace.trace_id, trace.input, trace.output) == ("17", "q", "a")
    assert (trace.session_id, trace.user_id) == ("s", None)
    assert trace.metadata == {"user": {"name": "structured"}, "ts_zone": "assumed-utc"}
    both = read_one(tmp_path, {**ROW, "id": "other"})
    assert (both.trace_id, both.metadata) == ("t-1", {"id": "other"})


def test_input_comes_from_the_last_user_message(tmp_path: Path) -> None:
    """It is so where `input` is missing; structured content becomes canonical JSON."""
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "text", "text": "é"}]},
        {"role": "tool", "content": "42"},
    ]
    trace = read_one(tmp_path, {**omit_key("input"), "messages": messages})
    assert trace.input == '[{"text":"é","type":"text"}]'
    assert trace.messages == tuple(messages)


def test_structured_input_is_canonical_json(tmp_path: Path) -> None:
    """Equal objects are one input, whatever the order of their keys."""
    first = read_one(tmp_path, {**ROW, "input": {"b": 1, "a": [2]}})
    second = read_one(tmp_path, {**ROW, "input": {"a": [2], "b": 1}})
    assert first == second
    assert first.input == '{"a":[2],"b":1}'


def test_a_missing_prompt_version_is_inferred(tmp_path: Path) -> None:
    """It comes from the template's hash or the undated system message, and is marked so."""

    def read_with_messages(*roles_and_texts: str, **more: Any) -> Trace:
        pairs = zip(roles_and_texts[::2], roles_and_texts[1::2], strict=True)
        messages = [{"role": role, "content": text} for role, text in pairs]
        return read_one(tmp_path, {**ROW, "messages": messages, **more})

    first = read_with_messages("system", "Be kind. Today is 2026-10-01, 9:30.", "user", "Hi?")
    again = read_with_messages("system", "Be kind. Today is 2026-10-02, 17:05.", "user", "No.")
    other = read_with_messages("system", "Be brief. Today is 2026-10-01, 9:30.", "user", "Hi?")
    assert first.prompt_version == again.prompt_version != other.prompt_version
    assert first.metadata == {"prompt_version_source": "inferred"}
    assert (
        read_with_messages("user", "Hi?").prompt_version,
        read_with_messages("user", "Hi?").metadata,
    ) == (None, {})
    hashed = read_with_messages("system", "Be kind.", prompt_hash="f00")
    assert (hashed.prompt_version, hashed.prompt_hash) == ("f00", "f00")
    named = read_with_messages("system", "Be kind.", prompt_version="v2")
    assert (named.prompt_version, named.prompt_hash, named.metadata) == ("v2", None, {})


def test_no_annotator_of_an_export_is_named_gold() -> None:
    """A score of an export is one more label, and an empty one is no label."""
    label = canonical.make_label("t", "tone", "good", " Gold ", "judge")
    assert label
    assert label.annotator == "Gold-outside"
    assert canonical.make_label("t", "tone", None, "me", "human") is None


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"trace_id": None}, "no-trace-id", "trace_id"),
        ({"trace_id": ""}, "no-trace-id", "trace_id"),
        ({"trace_id": True}, "wrong-type", "`trace_id`"),
        ({"trace_id": "a\nb"}, "bad-trace-id", "control"),
        ({"trace_id": "x" * 257}, "bad-trace-id", "256"),
        ({"app": None}, "no-app", "constants"),
        ({"app": "../etc"}, "bad-app", "no name"),
        ({"app": "chat\n"}, "bad-app", "letters"),
        ({"ts": None}, "no-timestamp", "--assume-date"),
        ({"ts": ""}, "no-timestamp", "format"),
        ({"ts": "yesterday"}, "bad-timestamp", "ISO 8601"),
        ({"ts": "2026-10-01_12-03"}, "bad-timestamp", "format"),
        ({"ts": 1_790_000_000}, "bad-timestamp", "epoch"),
        ({"ts": "0001-01-01T00:00:00+14:00"}, "bad-timestamp", "1970"),
    ],
)
def test_an_invalid_row_is_refused(
    tmp_path: Path, change: dict[str, Any], code: str, words: str
) -> None:
    """It has a stable code and a sentence that names the key and what to do."""
    refusal = read_one(tmp_path, {**ROW, **change})
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert words in refusal.reason
    assert json.loads(refusal.raw) == {**ROW, **change}
    assert (refusal.source_file, refusal.source_line) == ("day.jsonl", 1)


def test_a_refusal_has_what_was_readable_of_the_row(tmp_path: Path) -> None:
    """It has application, night and id, so that a night's account includes it."""
    refusal = read_one(tmp_path, {**ROW, "ts": "2026-10-02T03:00:00Z", "app": "../x"}, day_begins=4)
    assert (refusal.app, refusal.night, refusal.trace_id) == (None, NIGHT, "t-1")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-10-01_12-00-00", "%Y-%m-%d_%H-%M-%S"),
        ("01/10/2026 14:00 +0200", "%d/%m/%Y %H:%M %z"),
        (1_790_856_000, "epoch"),
        ("1790856000.0", "epoch"),
        (1_790_856_000_000, "epoch_ms"),
        ("2026-10-01T12:00:00Z", "epoch"),
        ("2026-10-01T12:00:00Z", "%d/%m/%Y"),
    ],
)
def test_a_mapping_declares_the_format_of_timestamps(tmp_path: Path, value: Any, form: str) -> None:
    """It is a strptime format, epoch seconds or milliseconds; ISO is always read."""
    mapping = Mapping(columns={"ts": Column(path="at", format=form)})
    trace = read_one(tmp_path, {**omit_key("ts"), "at": value}, mapping)
    assert trace.ts == datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-10-01T12:00:00z", "2026-10-01t12:00:00.0z"])
def test_a_timestamp_may_be_written_in_lower_case(tmp_path: Path, text: str) -> None:
    """RFC 3339 allows both cases, in rows, spans and APIs."""
    moment = datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert read_one(tmp_path, {**ROW, "ts": text}).ts == moment
    assert observations.to_nanoseconds(text) == moment.timestamp() * 10**9
    assert pages.parse_timestamp(text) == moment


def test_a_line_separator_within_an_event_ends_no_line() -> None:
    """An event stream has lines that end in CR or LF, whatever its texts hold."""
    event = {"text": "a\u2028b\x85c"}
    assert read_events(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n") == [event]


def test_milliseconds_read_as_seconds_are_refused(tmp_path: Path) -> None:
    """A year in the far future is refused as a mistake of units."""
    mapping = Mapping(columns={"ts": Column(path="ts", format="epoch")})
    assert read_one(tmp_path, {**ROW, "ts": 1_790_856_000_000}, mapping).code == "bad-timestamp"


def test_a_mapping_reads_nested_values_and_loses_none(tmp_path: Path) -> None:
    """Paths lead into objects and lists; a replaced field's value moves to the metadata."""
    mapping = Mapping(
        columns={"trace_id": "meta.request.id", "output": "choices.0.text", "input": "llm.q"},
        constants={"app": "qa", "provider": "acme"},
    )
    row = {
        "meta": {"request": {"id": "r-1"}},
        "choices": [{"text": "yes"}],
        "llm.q": "why?",
        "output": "raw",
        "ts": "2026-10-01T00:00:00Z",
        "provider": "openai",
    }
    trace = read_one(tmp_path, row, mapping)
    assert (trace.trace_id, trace.output, trace.input) == ("r-1", "yes", "why?")
    assert (trace.app, trace.provider) == ("qa", "openai")
    assert trace.metadata == {"meta": row["meta"], "choices": row["choices"], "output": "raw"}


@pytest.mark.parametrize("recorded", [None, {"tools": "t1"}, '{"tools": "t1"}'])
def test_a_mapping_fills_single_versions(tmp_path: Path, recorded: Any) -> None:
    """A mapped column is one of several versions, and the row's other versions remain."""
    columns: Any = {"versions.index": "idx", "params.n": "deep.n"}
    mapping = Mapping(columns=columns, constants={"versions.flag": "on"})
    row = {**ROW, "idx": 7, "deep": {"n": 2}, "versions": recorded}
    trace = read_one(tmp_path, row, mapping)
    assert trace.versions == {**({"tools": "t1"} if recorded else {}), "index": "7", "flag": "on"}
    assert trace.params == {"n": 2}
    assert trace.metadata == {"deep": {"n": 2}}


def test_a_mapping_to_an_unknown_field_is_refused() -> None:
    """A misspelled field is an error, and its column is not lost among the metadata."""
    for target in ("inptu", "versions.", "source_file", "input.text"):
        with pytest.raises(ValueError, match=f"no {target!r}"):
            Mapping(columns={target: "x"})
        with pytest.raises(ValueError, match=f"no {target!r}"):
            Mapping(constants={target: "x"})


def test_of_several_mappings_the_best_match_is_used(tmp_path: Path) -> None:
    """It is chosen for each row by its matching columns; a canonical row needs none."""
    mappings = {
        "a": Mapping(columns={"input": "ask", "output": "say"}, constants={"app": "from-a"}),
        "b": Mapping(columns={"input": "q", "output": "a"}, constants={"app": "from-b"}),
    }
    common = {"trace_id": "t", "ts": "2026-10-01T00:00:00Z"}
    path = write_rows(
        tmp_path, {**common, "q": "x", "a": "y"}, {**common, "ask": "x", "say": "y"}, ROW
    )
    assert [trace.app for trace in read_all(path, mappings)] == ["from-b", "from-a", "chat"]
    named = read_all(path, mappings, name="b")
    assert [row.app for row in named] == ["from-b", "from-b", "chat"]
    with pytest.raises(LookupError, match="it has: a, b"):
        read_all(path, mappings, name="c")


def test_a_missing_timestamp_can_be_assumed(tmp_path: Path) -> None:
    """It is the middle of the given night, and is marked; a recorded timestamp is not replaced."""
    path = write_rows(tmp_path, omit_key("ts"), ROW)
    assumed, own = read_all(path, assume_date=date(2026, 5, 4), day_begins=18)
    assert assumed.ts == datetime(2026, 5, 5, 6, tzinfo=UTC)
    assert assumed.metadata == {"ts_source": "assumed-date"}
    assert own.ts == datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert own.metadata == {}


def test_missing_timestamps_can_be_spread_over_days(tmp_path: Path) -> None:
    """A hash of the id chooses the day, so that the same id always gets the same day."""
    rows = [{**omit_key("ts"), "trace_id": f"t-{n}"} for n in range(200)]
    days = (date(2026, 10, 1), date(2026, 10, 7))
    first = {t.trace_id: t.ts for t in read_all(write_rows(tmp_path, *rows), spread=days)}
    again = {t.trace_id: t.ts for t in read_all(write_rows(tmp_path, *rows[::-1]), spread=days)}
    assert first == again
    assert sorted({ts.day for ts in first.values()}) == [1, 2, 3, 4, 5, 6, 7]


def test_contradictory_dates_are_refused(tmp_path: Path) -> None:
    """They are refused before anything is read."""
    path = write_rows(tmp_path, ROW)
    with pytest.raises(ValueError, match="exclude each other"):
        reader.read_file(path, mappings={}, assume_date=NIGHT, spread=(NIGHT, NIGHT))
    with pytest.raises(ValueError, match="before it begins"):
        reader.read_file(path, mappings={}, spread=(NIGHT, date(2026, 9, 30)))


def test_a_file_is_recognised_by_its_content(tmp_path: Path) -> None:
    """Plain, gzip or zstd is read under any name, with a byte order mark, CRLF and blank lines."""
    import pyarrow

    line = json.dumps(ROW).encode()
    data = b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + line
    variants = {
        "plain": data,
        "gz": gzip.compress(data),
        "two-members": gzip.compress(data[:50]) + gzip.compress(data[50:]),
        "zst": pyarrow.compress(data, codec="zstd", asbytes=True),
    }
    for name, content in variants.items():
        (tmp_path / name).write_bytes(content)
        traces = read_all(tmp_path / name)
        assert [type(trace) for trace in traces] == [Trace, Trace], name
        assert [trace.source_line for trace in traces] == [1, 4], name


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    """It yields neither a trace nor a refusal, compressed or not."""
    for name, data in (("a", b""), ("b", b"\n \n"), ("c.jsonl", b""), ("d", gzip.compress(b""))):
        (tmp_path / name).write_bytes(data)
        assert read_all(tmp_path / name) == []


def test_labels_are_read_line_by_line(tmp_path: Path) -> None:
    """A line that is not an object is reported with its number."""
    path = tmp_path / "labels.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n\nrubbish\n[1]\n{"b": 2}'))
    objects = list(reader.read_objects(path))
    assert objects == [(1, {"a": 1}), (3, None), (4, None), (5, {"b": 2})]


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(metadata=st.dictionaries(st.text(), values, max_size=5), output=st.text(), cost=numbers)
def test_a_round_trip_changes_no_content(
    metadata: dict[str, Any], output: str, cost: float
) -> None:
    """Any JSON value is read back equal."""
    row = {**ROW, "metadata": metadata, "output": output, "cost_usd": cost, "params": metadata}
    with tempfile.TemporaryDirectory() as folder:
        trace = read_one(Path(folder), row)
    assert isinstance(trace, Trace)
    assert (trace.metadata, trace.output, trace.cost_usd) == (metadata, output, float(cost))
