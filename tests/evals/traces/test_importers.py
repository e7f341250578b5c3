"""What the importers promise of files that are as they should be, or nearly.

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
from evals.specs import Column, Mapping
from evals.traces import reader
from evals.traces.rows import canonical

NIGHT = date(2026, 10, 1)
ROW = {
    "trace_id": "t-1",
    "ts": "2026-10-01T12:00:00Z",
    "app": "chat",
    "input": "Hi?",
    "output": "Hello.",
}


def write(folder: Path, *rows: Any, name: str = "day.jsonl") -> Path:
    """A file with one JSON row a line."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path, mappings: dict[str, Mapping] | None = None, **options: Any) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings=mappings or {}, **options))


def one(folder: Path, row: Any, mapping: Mapping | None = None, **options: Any) -> Any:
    """What a file of one row yields."""
    (found,) = read(write(folder, row), {"it": mapping} if mapping else {}, **options)
    return found


def without(key: str) -> dict[str, Any]:
    """The plain row, one key short."""
    return {name: value for name, value in ROW.items() if name != key}


def test_a_full_row_keeps_every_field(tmp_path: Path) -> None:
    """Every field of a trace is read under its own name, and the file and line are told."""
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
    trace = one(tmp_path, full)
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


def test_what_a_row_does_not_say_is_null(tmp_path: Path) -> None:
    """Absent keys and explicit nulls are the same: nothing is invented."""
    trace = one(tmp_path, {**without("output"), "model": None, "context": None, "tags": None})
    assert (trace.output, trace.model, trace.context, trace.tags) == ("", None, None, ())
    assert (trace.tokens_in, trace.cost_usd, trace.metadata) == (None, None, {})


def test_unknown_keys_go_to_metadata(tmp_path: Path) -> None:
    """No key is lost, not even one whose name metadata has already."""
    trace = one(tmp_path, {**ROW, "run": 2, "content_hash": "x", "metadata": {"run": 1}})
    assert trace.metadata == {"run": 1, "row.run": 2, "content_hash": "x"}


def test_synonyms_fill_only_what_is_missing(tmp_path: Path) -> None:
    """`id`, `timestamp`, `question`, `answer`, `user` and `session` are read where alone."""
    plain = {
        "id": 17,
        "timestamp": "2026-10-01",
        "app": "chat",
        "question": "q",
        "answer": "a",
        "user": {"name": "structured"},
        "session": "s",
    }
    trace = one(tmp_path, plain)
    assert (trace.trace_id, trace.input, trace.output) == ("17", "q", "a")
    assert (trace.session_id, trace.user_id) == ("s", None)
    assert trace.metadata == {"user": {"name": "structured"}, "ts_zone": "assumed-utc"}
    both = one(tmp_path, {**ROW, "id": "other"})
    assert (both.trace_id, both.metadata) == ("t-1", {"id": "other"})


def test_input_comes_from_the_last_user_message(tmp_path: Path) -> None:
    """Where `input` is missing; structured content becomes its canonical JSON."""
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": [{"type": "text", "text": "é"}]},
        {"role": "tool", "content": "42"},
    ]
    trace = one(tmp_path, {**without("input"), "messages": messages})
    assert trace.input == '[{"text":"é","type":"text"}]'
    assert trace.messages == tuple(messages)


def test_structured_input_is_canonical_json(tmp_path: Path) -> None:
    """Two spellings of one object are one input."""
    first = one(tmp_path, {**ROW, "input": {"b": 1, "a": [2]}})
    second = one(tmp_path, {**ROW, "input": {"a": [2], "b": 1}})
    assert first == second
    assert first.input == '{"a":[2],"b":1}'


def test_a_missing_prompt_version_is_inferred(tmp_path: Path) -> None:
    """From the template's hash, or the system message's whatever the day; and marked so."""

    def told(*said: str, **more: Any) -> Trace:
        pairs = zip(said[::2], said[1::2], strict=True)
        messages = [{"role": role, "content": text} for role, text in pairs]
        return one(tmp_path, {**ROW, "messages": messages, **more})

    first = told("system", "Be kind. Today is 2026-10-01, 9:30.", "user", "Hi?")
    again = told("system", "Be kind. Today is 2026-10-02, 17:05.", "user", "No.")
    other = told("system", "Be brief. Today is 2026-10-01, 9:30.", "user", "Hi?")
    assert first.prompt_version == again.prompt_version != other.prompt_version
    assert first.metadata == {"prompt_version_source": "inferred"}
    assert (told("user", "Hi?").prompt_version, told("user", "Hi?").metadata) == (None, {})
    hashed = told("system", "Be kind.", prompt_hash="f00")
    assert (hashed.prompt_version, hashed.prompt_hash) == ("f00", "f00")
    named = told("system", "Be kind.", prompt_version="v2")
    assert (named.prompt_version, named.prompt_hash, named.metadata) == ("v2", None, {})


def test_nobody_outside_speaks_as_gold() -> None:
    """A score found in an export is one more opinion, and an empty one is none."""
    found = canonical.make_label("t", "tone", "good", " Gold ", "judge")
    assert found
    assert found.annotator == "Gold-outside"
    assert canonical.make_label("t", "tone", None, "me", "human") is None


@pytest.mark.parametrize(
    ("change", "code", "says"),
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
def test_a_row_that_is_no_trace_is_refused(
    tmp_path: Path, change: dict[str, Any], code: str, says: str
) -> None:
    """With a stable code and one sentence that names the key and what to do."""
    refusal = one(tmp_path, {**ROW, **change})
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert says in refusal.reason
    assert json.loads(refusal.raw) == {**ROW, **change}
    assert (refusal.source_file, refusal.source_line) == ("day.jsonl", 1)


def test_a_refusal_keeps_what_can_be_told_of_the_row(tmp_path: Path) -> None:
    """Application, night and id, so that a night's account includes its unreadable rows."""
    refusal = one(tmp_path, {**ROW, "ts": "2026-10-02T03:00:00Z", "app": "../x"}, day_begins=4)
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
def test_a_mapping_names_the_form_of_timestamps(tmp_path: Path, value: Any, form: str) -> None:
    """A strptime format, epoch seconds or milliseconds; ISO is read beside any of them."""
    mapping = Mapping(columns={"ts": Column(path="at", format=form)})
    trace = one(tmp_path, {**without("ts"), "at": value}, mapping)
    assert trace.ts == datetime(2026, 10, 1, 12, tzinfo=UTC)


def test_milliseconds_taken_for_seconds_are_refused(tmp_path: Path) -> None:
    """A year in the far future is a mistake of units, not a night."""
    mapping = Mapping(columns={"ts": Column(path="ts", format="epoch")})
    assert one(tmp_path, {**ROW, "ts": 1_790_856_000_000}, mapping).code == "bad-timestamp"


def test_a_mapping_finds_nested_values_and_loses_none(tmp_path: Path) -> None:
    """Paths step into objects and lists; what was there under the canonical name is kept."""
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
    trace = one(tmp_path, row, mapping)
    assert (trace.trace_id, trace.output, trace.input) == ("r-1", "yes", "why?")
    assert (trace.app, trace.provider) == ("qa", "openai")
    assert trace.metadata == {"meta": row["meta"], "choices": row["choices"], "output": "raw"}


@pytest.mark.parametrize("held", [None, {"tools": "t1"}, '{"tools": "t1"}'])
def test_a_mapping_reaches_into_versions(tmp_path: Path, held: Any) -> None:
    """A column of a table is one of several versions; what the row says of others stays."""
    columns: Any = {"versions.index": "idx", "params.n": "deep.n"}
    mapping = Mapping(columns=columns, constants={"versions.flag": "on"})
    row = {**ROW, "idx": 7, "deep": {"n": 2}, "versions": held}
    trace = one(tmp_path, row, mapping)
    assert trace.versions == {**({"tools": "t1"} if held else {}), "index": "7", "flag": "on"}
    assert trace.params == {"n": 2}
    assert trace.metadata == {"deep": {"n": 2}}


def test_a_mapping_to_a_field_no_trace_has_is_refused() -> None:
    """A slip of the pen would lose a column among the metadata."""
    for target in ("inptu", "versions.", "source_file", "input.text"):
        with pytest.raises(ValueError, match=f"no {target!r}"):
            Mapping(columns={target: "x"})
        with pytest.raises(ValueError, match=f"no {target!r}"):
            Mapping(constants={target: "x"})


def test_of_several_mappings_the_one_that_fits_is_used(tmp_path: Path) -> None:
    """Row by row, by how many columns it finds; a canonical row needs none."""
    mappings = {
        "a": Mapping(columns={"input": "ask", "output": "say"}, constants={"app": "from-a"}),
        "b": Mapping(columns={"input": "q", "output": "a"}, constants={"app": "from-b"}),
    }
    common = {"trace_id": "t", "ts": "2026-10-01T00:00:00Z"}
    path = write(tmp_path, {**common, "q": "x", "a": "y"}, {**common, "ask": "x", "say": "y"}, ROW)
    assert [trace.app for trace in read(path, mappings)] == ["from-b", "from-a", "chat"]
    named = read(path, mappings, name="b")
    assert [row.app for row in named] == ["from-b", "from-b", "chat"]
    with pytest.raises(LookupError, match="it has: a, b"):
        read(path, mappings, name="c")


def test_a_missing_timestamp_can_be_assumed(tmp_path: Path) -> None:
    """In the middle of the night asked for; the trace says so; a timestamp it has is kept."""
    path = write(tmp_path, without("ts"), ROW)
    assumed, own = read(path, assume_date=date(2026, 5, 4), day_begins=18)
    assert assumed.ts == datetime(2026, 5, 5, 6, tzinfo=UTC)
    assert assumed.metadata == {"ts_source": "assumed-date"}
    assert own.ts == datetime(2026, 10, 1, 12, tzinfo=UTC)
    assert own.metadata == {}


def test_missing_timestamps_can_be_spread_over_days(tmp_path: Path) -> None:
    """By a hash of the id: every day is used, and the same id gets the same day again."""
    rows = [{**without("ts"), "trace_id": f"t-{n}"} for n in range(200)]
    days = (date(2026, 10, 1), date(2026, 10, 7))
    first = {t.trace_id: t.ts for t in read(write(tmp_path, *rows), spread=days)}
    again = {t.trace_id: t.ts for t in read(write(tmp_path, *rows[::-1]), spread=days)}
    assert first == again
    assert sorted({ts.day for ts in first.values()}) == [1, 2, 3, 4, 5, 6, 7]


def test_contradictory_dates_are_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    path = write(tmp_path, ROW)
    with pytest.raises(ValueError, match="exclude each other"):
        reader.read_file(path, mappings={}, assume_date=NIGHT, spread=(NIGHT, NIGHT))
    with pytest.raises(ValueError, match="before it begins"):
        reader.read_file(path, mappings={}, spread=(NIGHT, date(2026, 9, 30)))


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    """Plain, gzip or zstd under any name, with a byte order mark, CRLF and blank lines."""
    import pyarrow

    line = json.dumps(ROW).encode()
    data = b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + line
    packed = {
        "plain": data,
        "gz": gzip.compress(data),
        "two-members": gzip.compress(data[:50]) + gzip.compress(data[50:]),
        "zst": pyarrow.compress(data, codec="zstd", asbytes=True),
    }
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        traces = read(tmp_path / name)
        assert [type(trace) for trace in traces] == [Trace, Trace], name
        assert [trace.source_line for trace in traces] == [1, 4], name


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    """Neither a trace nor a refusal, packed or not."""
    for name, data in (("a", b""), ("b", b"\n \n"), ("c.jsonl", b""), ("d", gzip.compress(b""))):
        (tmp_path / name).write_bytes(data)
        assert read(tmp_path / name) == []


def test_labels_are_read_line_by_line(tmp_path: Path) -> None:
    """A line that is no object is told by its number, not passed over."""
    path = tmp_path / "labels.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n\nrubbish\n[1]\n{"b": 2}'))
    found = list(reader.read_objects(path))
    assert found == [(1, {"a": 1}), (3, None), (4, None), (5, {"b": 2})]


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(metadata=st.dictionaries(st.text(), values, max_size=5), output=st.text(), cost=numbers)
def test_a_round_trip_keeps_the_content(metadata: dict[str, Any], output: str, cost: float) -> None:
    """Whatever JSON can contain is read back equal."""
    row = {**ROW, "metadata": metadata, "output": output, "cost_usd": cost, "params": metadata}
    with tempfile.TemporaryDirectory() as folder:
        trace = one(Path(folder), row)
    assert isinstance(trace, Trace)
    assert (trace.metadata, trace.output, trace.cost_usd) == (metadata, output, float(cost))
