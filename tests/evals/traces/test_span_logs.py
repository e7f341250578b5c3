"""What is promised of MLflow's, Opik's, Weave's, Braintrust's and the Agents SDK's exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.ingest.fragments import merge_fragments, select_versions
from evals.ingest.identity import hash_trace
from evals.records import Refusal, Trace
from evals.traces import reader
from tests.evals.traces import span_logs
from tests.evals.traces.exchange import Exchange, ToolCall

EXCHANGE = Exchange(
    trace_id="5a" * 16,
    app="support",
    session="s-1",
    user="u-1",
    system="Be brief.",
    question="Where is parcel 3381?",
    answer="It is in Bonn.",
    tool=ToolCall("call_1", "lookup", {"id": 3381}, "in Bonn"),
    model_requested="gpt-5",
    model="gpt-5-2026-08-01",
    tokens_in=20,
    tokens_out=6,
    cost=0.25,
    start=datetime(2026, 10, 8, 9, tzinfo=UTC),
    took_ms=1500,
    tags=("prod",),
)
ROWS: dict[str, Callable[[Exchange], list[dict[str, Any]]]] = {
    "mlflow": lambda exchange: [span_logs.mlflow_trace(exchange)],
    "opik": span_logs.opik_rows,
    "weave": span_logs.weave_calls,
    "braintrust": span_logs.braintrust_rows,
    "openai-agents": span_logs.openai_agents_items,
}
PAGES = {
    "mlflow": "traces",
    "opik": "content",
    "weave": "calls",
    "braintrust": "events",
    "openai-agents": "data",
}


def read(path: Path) -> list[Any]:
    """Reads all that a file yields; traces without an application are the shop's."""
    return list(reader.read_file(path, mappings={}, app="shop"))


def write(path: Path, rows: list[Any]) -> Path:
    """Writes rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def write_csv(path: Path, rows: list[dict[str, Any]], encode: Callable[[Any], str]) -> Path:
    """Writes rows as CSV, lists and objects by `encode`."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.DictWriter(out, names)
    table.writeheader()
    for row in rows:
        table.writerow({k: encode(v) if isinstance(v, dict | list) else v for k, v in row.items()})
    path.write_text(out.getvalue(), "utf-8")
    return path


def read_trace(path: Path) -> Trace:
    """Reads a file of one trace without refusals."""
    items = read(path)
    assert not [item for item in items if isinstance(item, Refusal)]
    (trace,) = (item for item in items if isinstance(item, Trace))
    return trace


def flatten(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Flattens some objects of a row to dotted columns, list items by their number."""

    def pairs(key: str, value: Any) -> list[tuple[str, Any]]:
        if isinstance(value, dict | list) and value:
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            return [pair for k, v in inner for pair in pairs(f"{key}.{k}", v)]
        return [(key, value)]

    return dict(pair for k, v in row.items() for pair in (pairs(k, v) if k in names else [(k, v)]))


@pytest.mark.parametrize("name", ROWS)
def test_a_trace_is_the_same_in_every_container(tmp_path: Path, name: str) -> None:
    """Lines, a list, a page of the API, CSV with JSON or Python in its cells, and Parquet."""
    rows = ROWS[name](EXCHANGE)
    expected = read_trace(write(tmp_path / "rows.jsonl", rows))
    assert expected.source_format == name
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "page.json").write_text(json.dumps({PAGES[name]: rows}))
    names = {name: None for row in rows for name in row}
    texts = [
        {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in (names | row).items()}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(texts), tmp_path / "rows.parquet")
    write_csv(tmp_path / "json.csv", rows, json.dumps)
    write_csv(tmp_path / "python.csv", rows, str)
    for file in ("list.json", "page.json", "rows.parquet", "json.csv", "python.csv"):
        trace = read_trace(tmp_path / file)
        assert (trace.output, trace.steps) == (expected.output, expected.steps), file
        assert hash_trace(trace, b"") == hash_trace(expected, b""), file


@pytest.mark.parametrize("name", [name for name in ROWS if name != "mlflow"])
@pytest.mark.parametrize("late_first", [False, True])
def test_spans_in_two_files_become_one_trace(tmp_path: Path, name: str, late_first: bool) -> None:
    """Whichever is read first, and wherever the trace's own row is."""
    rows = ROWS[name](EXCHANGE)
    expected = read_trace(write(tmp_path / "all.jsonl", rows))
    halves = [rows[:2], rows[2:]]
    halves = halves[::-1] if late_first else halves
    parts = [read_trace(write(tmp_path / f"{n}.jsonl", half)) for n, half in enumerate(halves)]
    assert select_versions(parts) == [0, 1]
    whole = merge_fragments(parts)
    for field in ("ts", "input", "output", "session_id", "tokens_in", "tokens_out", "cost_usd"):
        assert getattr(whole, field) == getattr(expected, field), field
    assert {step["span_id"] for step in whole.steps} == {step["span_id"] for step in expected.steps}


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_item_is_refused_alone(tmp_path: Path, name: str) -> None:
    """With its line and a reason; the trace beside it is whole."""
    rows = ROWS[name](EXCHANGE)
    path = tmp_path / "rows.jsonl"
    bad = ["17", '"text"', '{"what": 1}', "{broken"]
    path.write_text("\n".join([*map(json.dumps, rows), *bad]) + "\n")
    items = read(path)
    (trace,) = (item for item in items if isinstance(item, Trace))
    assert trace.output == "It is in Bonn."
    refused = [item for item in items if isinstance(item, Refusal)]
    first = len(rows) + 1
    assert [item.source_line for item in refused] == list(range(first, first + 4))
    assert refused[2].code in (f"not-{name}", "no-trace-id")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("opik", "start_time"),
        ("weave", "started_at"),
        ("openai-agents", "started_at"),
        ("mlflow", "request_time"),
    ],
)
def test_a_start_that_is_no_time_refuses_its_item(tmp_path: Path, name: str, key: str) -> None:
    """The refusal names the trace; the other items of the file are read."""
    rows = ROWS[name](EXCHANGE)
    spoilt = json.loads(json.dumps(rows[-1]))
    place = spoilt["info"] if name == "mlflow" else spoilt
    place[key] = "yesterday"
    rest = rows if name == "mlflow" else rows[:-1]
    items = read(write(tmp_path / "rows.jsonl", [spoilt, *rest]))
    (refused,) = (item for item in items if isinstance(item, Refusal))
    assert (refused.code, refused.source_line) == ("bad-timestamp", 1)
    assert (refused.trace_id or "").endswith(EXCHANGE.trace_id)
    assert [item.output for item in items if isinstance(item, Trace)] == ["It is in Bonn."]


@pytest.mark.parametrize("name", ROWS)
def test_who_asked_is_in_no_metadata(tmp_path: Path, name: str) -> None:
    """A user's id is replaced by a pseudonym later: a copy beside it would undo that."""
    trace = read_trace(write(tmp_path / "rows.jsonl", ROWS[name](EXCHANGE)))
    assert trace.user_id == "u-1"
    assert "u-1" not in json.dumps([trace.metadata, trace.steps])


def fail(name: str, rows: list[dict[str, Any]]) -> None:
    """Makes the request fail, as each system records it: an error, and no output."""
    if name == "mlflow":
        root = rows[0]["data"]["spans"][0]
        root["status"] = {"code": "STATUS_CODE_ERROR", "message": "timed out"}
        del root["attributes"]["mlflow.spanOutputs"], rows[0]["data"]["spans"][1:]
    elif name == "opik":
        rows[0] |= {"output": None, "error_info": {"exception_type": "E", "message": "timed out"}}
        del rows[1:]
    elif name == "weave":
        rows[0] |= {"output": None, "exception": "Traceback:\n  x\ntimed out"}
        del rows[1:]
    elif name == "braintrust":
        rows[0] |= {"output": None, "error": "timed out\nTraceback: x"}
        del rows[1:]
    else:
        rows[1]["error"] = {"message": "timed out", "data": None}
        del rows[2:]


@pytest.mark.parametrize("name", ROWS)
def test_a_failed_request_is_a_trace_with_its_error(tmp_path: Path, name: str) -> None:
    """It has no answer, and the message of the error in its metadata or its step."""
    rows = ROWS[name](EXCHANGE)
    fail(name, rows)
    trace = read_trace(write(tmp_path / "rows.jsonl", rows))
    assert trace.output == ""
    errors = [trace.metadata.get("error"), *(step.get("error") for step in trace.steps)]
    assert "timed out" in errors


def test_an_agent_s_trace_without_any_text_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """The SDK exports of a response only its id."""
    rows = span_logs.openai_agents_items(EXCHANGE)
    rows[2]["span_data"] = {"type": "response", "response_id": "resp_1", "usage": None}
    (refused,) = read(write(tmp_path / "rows.jsonl", rows))
    assert (refused.code, refused.trace_id) == ("no-content", EXCHANGE.trace_id)
    assert "span_data.response.model_dump()" in refused.reason
    (lonely,) = read(write(tmp_path / "trace.jsonl", rows[:1]))
    assert lonely.code == "no-spans"


def test_a_response_that_a_processor_added_is_the_answer(tmp_path: Path) -> None:
    """With its instructions as the system message, its tokens and its tools' hash."""
    rows = span_logs.openai_agents_items(EXCHANGE)
    text = {"type": "output_text", "text": "It is in Bonn."}
    rows[2]["span_data"] = {
        "type": "response",
        "response_id": "resp_1",
        "input": [{"role": "user", "content": "Where is parcel 3381?"}],
        "response": {
            "id": "resp_1",
            "object": "response",
            "model": "gpt-5-2026-08-01",
            "instructions": "Be brief.",
            "status": "completed",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {"type": "message", "role": "assistant", "content": [text]},
            ],
            "tools": [{"type": "function", "name": "lookup"}],
            "usage": {"input_tokens": 20, "output_tokens": 6, "total_tokens": 26},
        },
    }
    trace = read_trace(write(tmp_path / "rows.jsonl", rows))
    assert (trace.input, trace.output) == ("Where is parcel 3381?", "It is in Bonn.")
    assert trace.messages[0] == {"role": "system", "content": "Be brief."}
    assert (trace.model, trace.tokens_in, trace.tokens_out) == ("gpt-5-2026-08-01", 20, 6)
    assert "tools" in trace.versions


def test_mlflow_s_second_schema_is_read(tmp_path: Path) -> None:
    """Spans with a context, hexadecimal ids and metadata as a list of keys and values."""
    spans = [
        {
            "name": name,
            "context": {"span_id": f"0x{n:016x}", "trace_id": "0x" + "5a" * 16},
            "parent_id": parent,
            "start_time": 1_791_450_000_000_000_000,
            "end_time": 1_791_450_001_500_000_000,
            "status_code": "OK",
            "status_message": "",
            "attributes": {key: json.dumps(value) for key, value in attributes.items()},
            "events": [],
        }
        for n, name, parent, attributes in (
            (1, "agent", None, {"mlflow.spanType": "CHAIN", "mlflow.traceRequestId": "tr-1",
                                "mlflow.spanInputs": {"q": "Hi?"}, "mlflow.spanOutputs": "Ho."}),
            (2, "call", "0x0000000000000001",
             {"mlflow.spanType": "LLM", "mlflow.traceRequestId": "tr-1",
              "mlflow.spanInputs": {"messages": [{"role": "user", "content": "Hi?"}]},
              "mlflow.spanOutputs": {"choices": [{"message": {"role": "assistant",
                                                              "content": "Ho."}}]}}),
        )
    ]  # fmt: skip
    pairs = [{"key": "mlflow.trace.session", "value": "s-1"}, {"key": "team", "value": "a"}]
    info = {"request_id": "tr-1", "experiment_id": "7", "timestamp_ms": 1_791_450_000_000,
            "execution_time_ms": 1500, "status": "OK", "request_metadata": pairs,
            "tags": []}  # fmt: skip
    row = {"info": info, "data": {"spans": spans, "request": '{"q": "Hi?"}', "response": '"Ho."'}}
    trace = read_trace(write(tmp_path / "v2.jsonl", [row]))
    assert trace.source_format == "mlflow"
    assert (trace.trace_id, trace.input, trace.output) == ("tr-1", "Hi?", "Ho.")
    assert (trace.session_id, trace.metadata["team"]) == ("s-1", "a")
    assert [step["name"] for step in trace.steps] == ["call"]
    spans_alone = read_trace(write(tmp_path / "spans.jsonl", spans))
    assert (spans_alone.trace_id, spans_alone.output) == ("tr-1", "Ho.")


def test_mlflow_s_table_is_read_with_and_without_spans(tmp_path: Path) -> None:
    """The columns of `search_traces`; without spans a trace has its request and response."""
    row = span_logs.mlflow_trace(EXCHANGE)
    info = row["info"]
    table = {
        "trace_id": info["trace_id"],
        "trace": json.dumps(row),
        "client_request_id": "r-1",
        "state": "OK",
        "request_time": 1_791_450_000_000,
        "execution_duration": 1500,
        "request": {"question": EXCHANGE.question},
        "response": EXCHANGE.answer,
        "trace_metadata": info["trace_metadata"],
        "tags": info["tags"],
        "spans": row["data"]["spans"],
        "assessments": [],
    }
    whole = read_trace(write(tmp_path / "whole.jsonl", [table]))
    alone = read_trace(write(tmp_path / "trace.jsonl", [row]))
    assert hash_trace(whole, b"") == hash_trace(alone, b"")
    columns = {key: value for key, value in table.items() if key != "trace"}
    pq.write_table(pa.Table.from_pylist([columns]), tmp_path / "columns.parquet")
    for path in (
        tmp_path / "columns.parquet",
        write_csv(tmp_path / "columns.csv", [columns], str),
    ):
        trace = read_trace(path)
        assert (trace.output, trace.model) == (EXCHANGE.answer, EXCHANGE.model)
        assert trace.metadata["client_request_id"] == "r-1"
    bare = {key: value for key, value in columns.items() if key != "spans"}
    trace = read_trace(write(tmp_path / "bare.jsonl", [bare]))
    assert (trace.input, trace.output) == (EXCHANGE.question, EXCHANGE.answer)
    assert (trace.session_id, trace.latency_ms) == ("s-1", 1500)


def test_opik_s_exported_files_are_read(tmp_path: Path) -> None:
    """Files of `opik export` as JSON and CSV, and the CSV of its pages."""
    row, *spans = span_logs.opik_rows(EXCHANGE)
    expected = read_trace(write(tmp_path / "rows.jsonl", [row, *spans]))
    file = {"trace": row, "spans": spans, "project_name": "support", "downloaded_at": "x"}
    (tmp_path / "trace_1.json").write_text(json.dumps(file, indent=2))
    rows = [
        {**{f"trace_{k}": v for k, v in row.items()}, **{f"span_{k}": v for k, v in s.items()}}
        for s in spans
    ]
    row["feedback_scores"] = [{"name": "right", "value": 1.0, "source": "ui"}]
    for path in (tmp_path / "trace_1.json", write_csv(tmp_path / "trace_1.csv", rows, str)):
        exported = read_trace(path)
        assert (exported.output, exported.steps) == (expected.output, expected.steps), path
        assert exported.app == "support"
    page = write_csv(
        tmp_path / "page.csv",
        [flatten(row, ("input", "output", "metadata", "tags"))],
        json.dumps,
    )
    exported = read_trace(page)
    assert (exported.input, exported.output) == (EXCHANGE.question, EXCHANGE.answer)
    assert (exported.session_id, exported.tags) == ("s-1", ("prod",))


def test_weave_s_flattened_columns_are_read(tmp_path: Path) -> None:
    """As its pages export calls: a column for each key, list items by their number."""
    rows = span_logs.weave_calls(EXCHANGE)
    expected = read_trace(write(tmp_path / "rows.jsonl", rows))
    flat = [flatten(row, ("inputs", "output", "attributes", "summary")) for row in rows]
    trace = read_trace(write_csv(tmp_path / "flat.csv", flat, json.dumps))
    assert (trace.input, trace.output) == (EXCHANGE.question, EXCHANGE.answer)
    assert [step["name"] for step in trace.steps] == [step["name"] for step in expected.steps]


def test_weave_s_versions_are_those_of_the_operation_and_its_object(tmp_path: Path) -> None:
    """A changed function or prompt object is a possible cause of a change."""
    rows = span_logs.weave_calls(EXCHANGE)
    rows[0]["inputs"]["self"] = "weave:///team/support/object/Assistant:d41d8"
    trace = read_trace(write(tmp_path / "rows.jsonl", rows))
    assert trace.versions == {"op": "abc1", "Assistant": "d41d8"}
    assert trace.input == EXCHANGE.question
