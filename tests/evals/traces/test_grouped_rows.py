"""Rows that are spans: those of one group become one trace, in one file or in several."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.ingest import inbox
from evals.records import Refusal
from evals.specs import App, Catalog, Mapping
from evals.storage.lake import Lake
from evals.traces import reader
from evals.traces.formats import grouped_rows
from evals.validation import admission

TREE = Mapping.model_validate(
    {
        "group_by": "run",
        "columns": {
            "span_id": "id",
            "parent_id": "parent",
            "name": "op",
            "kind": "type",
            "ts": "began",
            "ended": "ended",
            "input": "in",
            "output": "out",
            "model": "llm.model",
            "tokens_in": "llm.tokens",
            "user_id": {"path": "who", "optional": True},
            "error": "error",
        },
        "constants": {"app": "shop"},
    }
)


def span(trace: str, name: str, second: int, **more: Any) -> dict[str, Any]:
    """One row."""
    return {
        "run": trace,
        "id": f"{trace}-{name}",
        "parent": f"{trace}-agent",
        "op": name,
        "type": None,
        "began": f"2026-10-01T12:00:{second:02d}Z",
        "ended": f"2026-10-01T12:00:{second + 1:02d}Z",
        "in": None,
        "out": None,
        "llm": {"model": None, "tokens": None},
        "error": None,
        **more,
    }


def rows_of(trace: str) -> list[dict[str, Any]]:
    """The rows of one request: an agent that looks something up and asks a model twice."""
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Parcel?"}]
    model = {"model": "m-1", "tokens": "7"}
    return [
        span(trace, "agent", 0, parent=None, ended="2026-10-01T12:00:30Z", who="u-1", team="blue",
             **{"in": "Parcel?", "out": "On Friday."}),
        span(trace, "plan", 2, type="llm", llm=model, **{"in": chat, "out": "Look it up."}),
        span(trace, "lookup", 4, type="tool", error="slow", **{"in": {"n": 1}, "out": "Friday"}),
        span(trace, "answer", 6, type="completion", llm=model, **{"in": chat, "out": "On Friday."}),
    ]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of rows, as lines or as a table."""
    if path.suffix == ".csv":
        out = io.StringIO()
        flat = [
            {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
            for row in rows
        ]
        writer = csv.DictWriter(out, {key: None for row in flat for key in row})
        writer.writeheader()
        writer.writerows(flat)
        path.write_text(out.getvalue())
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


def read(path: Path, mapping: Mapping = TREE) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings={"tree": mapping}))


@pytest.mark.parametrize("name", ["day.jsonl", "day.csv"])
def test_the_rows_of_a_group_are_one_trace(tmp_path: Path, name: str) -> None:
    """Whatever their order: the root gives input, output, time and user; the others are steps."""
    rows = [row for trace in ("a", "b") for row in rows_of(trace)]
    random.Random(1).shuffle(rows)
    found = {trace.trace_id: trace for trace in read(write(tmp_path / name, rows))}
    assert set(found) == {"a", "b"}
    trace = found["a"]
    assert (trace.input, trace.output, trace.app) == ("Parcel?", "On Friday.", "shop")
    assert (trace.ts, trace.latency_ms) == (datetime(2026, 10, 1, 12, tzinfo=UTC), 30_000)
    assert (trace.model, trace.tokens_in, trace.user_id) == ("m-1", 14, "u-1")
    assert trace.messages[0] == {"role": "system", "content": "Be brief."}
    assert [(s["name"], s["kind"]) for s in trace.steps] == [
        ("plan", "llm"),
        ("lookup", "tool"),
        ("answer", "llm"),
    ]
    assert trace.steps[1]["error"] == "slow"
    assert trace.metadata["team"] == "blue"
    assert trace.source_format == "grouped"


def test_without_parents_the_first_row_asks_and_the_last_answers(tmp_path: Path) -> None:
    """And the time is the first one's; every row is a step."""
    columns = {"input": "q", "output": "a", "ts": "at", "latency_ms": "ms"}
    mapping = Mapping.model_validate(
        {"group_by": "meta.run", "columns": columns, "constants": {"app": "shop"}}
    )
    rows = [
        {"meta": {"run": 1}, "at": "2026-10-01T12:00:02Z", "q": "docs", "a": "It is.", "ms": "2,5"},
        {"meta": {"run": 1}, "at": "2026-10-01T12:00:01Z", "q": "Why?", "a": "docs", "ms": 7},
    ]
    (trace,) = read(write(tmp_path / "day.jsonl", rows), mapping)
    assert (trace.trace_id, trace.input, trace.output) == ("1", "Why?", "It is.")
    assert (f"{trace.ts:%S}", len(trace.steps)) == ("01", 2)
    assert [step["latency_ms"] for step in trace.steps] == [7, 2.5]


def test_a_bad_row_harms_no_group(tmp_path: Path) -> None:
    """One of no group is refused; a time that cannot be read is noted; a group needs content."""
    rows = rows_of("a")
    rows[2]["began"] = "soon"
    empty = {**span("c", "x", 1), "op": "x"}
    rows += [{**span("", "x", 1), "run": None}, empty]
    found = read(write(tmp_path / "day.jsonl", rows))
    refused = {row.code: row for row in found if isinstance(row, Refusal)}
    assert set(refused) == {"no-trace-id", "no-content"}
    assert refused["no-content"].trace_id == "c"
    (trace,) = (row for row in found if not isinstance(row, Refusal))
    assert (trace.trace_id, len(trace.steps)) == ("a", 3)


def test_the_root_has_how_the_request_ended(tmp_path: Path) -> None:
    """By its status or its error; what failed below it and was handled does not count."""
    (handled,) = read(write(tmp_path / "day.jsonl", rows_of("a")))
    rows = rows_of("a")
    rows[0] |= {"out": None, "status": 504}
    rows[3]["out"] = None
    (late,) = read(write(tmp_path / "day.jsonl", rows))
    assert (handled.status, late.status) == ("ok", "timeout")


def test_rows_of_other_mappings_are_traces_themselves(tmp_path: Path) -> None:
    """In the same file too, and `where` leaves out spans."""
    plain = {"trace_id": "p", "ts": "2026-10-01T12:00:00Z", "app": "shop", "output": "Yes."}
    where = TREE.model_copy(update={"where": {"type": "no such"}})
    path = write(tmp_path / "day.jsonl", [plain, *rows_of("a")])
    assert [row.trace_id for row in read(path)] == ["p", "a"]
    assert [row.trace_id for row in read(path, where)] == ["p"]


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("late_root", [False, True])
def test_a_late_span_is_merged_into_its_trace(tmp_path: Path, cut: int, late_root: bool) -> None:
    """Rows in two files are the trace that one file gives, and each row counts once."""
    rows = rows_of("a")
    parts = [rows[:cut], rows[cut:]]
    parts = parts[::-1] if late_root else parts
    found: list[Any] = []
    for name, files in (("two", parts), ("one", [rows]), ("again", [*parts, rows, rows[1:3]])):
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        for number, part in enumerate(files):
            write(folder / "in" / f"{number}.jsonl", part)
        lake = Lake(folder / "home").open()
        catalog = Catalog(root=folder, apps={"shop": App(app="shop")}, mappings={"tree": TREE})
        now = datetime(2026, 10, 2, 12, tzinfo=UTC)
        result = inbox.import_inbox(lake, catalog, folder / "in", now=now)
        assert not result.failures
        accounts = admission.admit_nights(lake, catalog, [date(2026, 10, 1)])
        account = accounts[date(2026, 10, 1)]["shop"]
        assert account["read"] == account["accepted"] + account["duplicate"] == len(files)
        (trace,) = lake.read("traces")
        steps = [{k: v for k, v in step.items() if k != "latency_ms"} for step in trace.steps]
        found.append((trace.input, trace.output, trace.ts, trace.tokens_in, trace.model, steps))
    assert found[0] == found[1] == found[2]


def test_many_groups_go_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, however many rows a file has."""
    from evals.traces.spans import spans

    monkeypatch.setattr(spans.SpanStore.__init__, "__defaults__", (1000,))
    rows = [row for n in range(50) for row in rows_of(f"t{n}")]
    random.Random(2).shuffle(rows)
    assert len(read(write(tmp_path / "day.jsonl", rows))) == 50
    assert grouped_rows.NAME == "grouped"
