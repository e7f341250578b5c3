"""How each format's requests ended: one status, of whatever its system records of a failure."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from evals.ingest.fragments import merge_fragments
from evals.records import Refusal, Trace
from evals.specs import Mapping
from evals.traces import reader
from evals.traces.rows.statuses import derive_status, read_status
from tests.evals.traces.test_spans import envelope, span

AT = "2026-10-01T12:00:00Z"
ROW = {"trace_id": "t", "app": "chat", "ts": AT, "input": "Hi?", "output": "Hello."}
NONE = {"output": None}
CALL = [{"kind": "llm", "name": "chat", "tool_calls": [{"id": "c"}]}]


def read(path: Path, *rows: Any) -> list[Trace | Refusal]:
    """The traces and refusals of a file of one JSON row a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = reader.read_file(path, mappings={}, app="chat")
    return [one for one in found if isinstance(one, Trace | Refusal)]


def status_of(folder: Path, *rows: Any) -> str:
    """The status of the only trace of a file."""
    (trace,) = read(folder / "rows.jsonl", *rows)
    assert isinstance(trace, Trace), trace
    return trace.status


PLAIN: list[tuple[dict[str, Any], str]] = [
    ({}, "ok"),
    ({"output": "  \n"}, "empty"),
    (NONE, "empty"),
    (NONE | {"error": "Rate limit reached"}, "error"),
    (NONE | {"error": {"type": "ReadTimeout"}}, "timeout"),
    (NONE | {"error": 0.31}, "empty"),
    (NONE | {"error": "None"}, "empty"),
    (NONE | {"error_message": "Request timed out."}, "timeout"),
    (NONE | {"status": "cancelled"}, "error"),
    ({"error": "hallucination"}, "ok"),
    ({"status": "cancelled"}, "ok"),
    ({"status": "open"}, "ok"),
    ({"status": "Failed"}, "error"),
    ({"status": "deadline exceeded"}, "timeout"),
    ({"status": 200}, "ok"),
    ({"status": "200"} | NONE, "empty"),
    ({"status": "success"} | NONE, "empty"),
    ({"status_code": 503}, "error"),
    ({"http_status": "504"}, "timeout"),
    ({"status": "timeout"}, "timeout"),
    ({"finish_reason": "stop"}, "ok"),
    ({"finish_reason": "length"}, "cut_off"),
    ({"finish_reason": "MAX_TOKENS"}, "cut_off"),
    ({"finish_reason": "content_filter"} | NONE, "filtered"),
    ({"finish_reason": "SAFETY"}, "filtered"),
    (NONE | {"steps": CALL}, "ok"),
    (NONE | {"steps": [{"tool": "refund"}]}, "ok"),
    (NONE | {"steps": [{"kind": "tool", "name": "refund"}]}, "ok"),
    (NONE | {"steps": [{"kind": "tool", "name": "refund", "error": "gone"}]}, "error"),
    (NONE | {"steps": [{"kind": "retrieval"}, {"kind": "llm"}]}, "empty"),
    (NONE | {"steps": [{"kind": "llm", "error": "Request timed out"}]}, "timeout"),
]


@pytest.mark.parametrize(("change", "status"), PLAIN, ids=str)
def test_a_plain_row_has_one_status(tmp_path: Path, change: dict[str, Any], status: str) -> None:
    """By the column or alone; the same in a table."""
    row = {**ROW, **change}
    assert status_of(tmp_path, row) == status
    path = tmp_path / "day.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        cells = {k: json.dumps(v) if type(v) in (list, dict) else v for k, v in row.items()}
        writer.writerow(cells)
    (trace,) = reader.read_file(path, mappings={})
    if not isinstance(row.get("error"), float):  # a table has it as text
        assert isinstance(trace, Trace)
        assert trace.status == status
    (batch,) = reader.read_batches(tmp_path / "rows.jsonl", reader.Reading("rows.jsonl"))
    cells = batch.cells if isinstance(batch, reader.Columns) else {"status": [batch.status]}  # type: ignore[union-attr]
    assert cells["status"] == [status]


def test_a_word_that_is_no_status_stays_in_metadata(tmp_path: Path) -> None:
    """Only exactly a trace's own words are taken out of the row, so that no word is lost."""
    (trace,) = read(tmp_path / "a.jsonl", {**ROW, "status": "shipped"})
    assert isinstance(trace, Trace)
    assert trace.metadata["status"] == "shipped"
    (trace,) = read(tmp_path / "b.jsonl", {**ROW, "status": "timeout"})
    assert isinstance(trace, Trace)
    assert "status" not in trace.metadata


def test_a_mapping_may_name_the_column_of_the_status(tmp_path: Path) -> None:
    """Under any name, in any word or code that is known."""
    path = tmp_path / "day.jsonl"
    path.write_text(json.dumps({**ROW, "result_code": 504}) + "\n")
    mapping = Mapping(columns={"status": "result_code"})
    (trace,) = reader.read_file(path, mappings={"it": mapping})
    assert isinstance(trace, Trace)
    assert trace.status == "timeout"


def otlp(error: str | None = None, reasons: str = "stop", **more: Any) -> dict[str, Any]:
    """A chat span, its status an error where there is one."""
    made = span(1, gen_ai__response__finish_reasons=reasons, gen_ai__request__model="m", **more)
    return made if error is None else {**made, "status": {"code": 2, "message": error}}


ANSWERED = {"gen_ai__completion__0__content": "Hello.", "gen_ai__completion__0__role": "assistant"}


@pytest.mark.parametrize(
    ("spans", "status"),
    [
        ([otlp(**ANSWERED)], "ok"),
        ([otlp()], "empty"),
        ([otlp("rate limit")], "error"),
        ([otlp("upstream", error__type="timeout")], "timeout"),
        ([otlp("late", **ANSWERED)], "error"),
        ([otlp(reasons="length", **ANSWERED)], "cut_off"),
        ([otlp(reasons="content_filter")], "filtered"),
        # The first call of a request failed, and its repetition answered.
        (
            [
                span(9, gen_ai__operation__name="invoke_agent"),
                {**otlp("rate limit"), "parentSpanId": f"{9:016x}"},
                {**otlp(**ANSWERED), "spanId": f"{2:016x}", "parentSpanId": f"{9:016x}"},
            ],
            "ok",
        ),
        # The only call failed, and the application's own span knows nothing of it.
        (
            [
                span(9, gen_ai__operation__name="invoke_agent"),
                {**otlp("Request timed out"), "parentSpanId": f"{9:016x}"},
            ],
            "timeout",
        ),
    ],
)
def test_spans_have_the_status_of_their_root(tmp_path: Path, spans: list[Any], status: str) -> None:
    """An error of an inner span counts where nothing was answered."""
    assert status_of(tmp_path, envelope(*spans)) == status


def test_a_handled_exception_is_no_failed_request(tmp_path: Path) -> None:
    """The root recorded it, answered, and set no status."""
    event = {"name": "exception", "attributes": [], "timeUnixNano": "1790856000000000000"}
    assert status_of(tmp_path, envelope({**otlp(**ANSWERED), "events": [event]})) == "ok"


@pytest.mark.parametrize(("code", "status"), [("OK", "ok"), ("ERROR", "error")])
def test_a_phoenix_span_has_its_status_code(tmp_path: Path, code: str, status: str) -> None:
    """With an answer or without one."""
    row = {
        "context": {"trace_id": "a" * 32, "span_id": "b" * 16},
        "name": "chat", "span_kind": "LLM", "status_code": code, "start_time": AT,
        "attributes": {"output": {"value": "Hello."}, "openinference": {"project": {"name": "c"}}},
    }  # fmt: skip
    assert status_of(tmp_path, row) == status


def observation(**more: Any) -> dict[str, Any]:
    """An observation of Langfuse's blob export."""
    return {
        "id": "o", "trace_id": "t", "type": "GENERATION", "parent_observation_id": "",
        "start_time": AT, "end_time": AT, "input": "Hi?", "output": "Hello.",
        "usage_details": {}, "trace_name": "chat", "level": "DEFAULT", "status_message": "",
        **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "ok"),
        ({"output": ""}, "empty"),
        ({"level": "ERROR", "status_message": "boom"}, "error"),
        ({"level": "ERROR", "status_message": "Request timed out", "output": ""}, "timeout"),
        ({"level": "WARNING", "status_message": "slow"}, "ok"),
    ],
)
def test_a_langfuse_observation_of_level_error_failed(
    tmp_path: Path, change: dict[str, Any], status: str
) -> None:
    """In the export's tables, and under a trace of the API that knows nothing of it."""
    assert status_of(tmp_path, observation(**change)) == status
    trace = {"id": "t", "timestamp": AT, "name": "chat", "userId": None, "htmlPath": "/t"}
    assert status_of(tmp_path, {**trace, "observations": [observation(**change)]}) == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "ok"),
        ({"outputs": None}, "empty"),
        ({"error": "RateLimitError()"}, "error"),
        ({"error": "APITimeoutError('Request timed out.')", "outputs": None}, "timeout"),
        ({"status": "error", "outputs": None}, "error"),
    ],
)
def test_a_langsmith_run_with_an_error_failed(
    tmp_path: Path, change: dict[str, Any], status: str
) -> None:
    """Whether it has outputs or not."""
    run = {
        "id": "r", "trace_id": "r", "run_type": "llm", "dotted_order": "20261001T120000000000Zr",
        "name": "chat", "start_time": AT, "end_time": AT, "inputs": {"input": "Hi?"},
        "outputs": {"output": "Hello."}, **change,
    }  # fmt: skip
    assert status_of(tmp_path, run) == status


REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi?"}]}


def completion(content: str | None, reason: str = "stop") -> dict[str, Any]:
    """A chat completion."""
    choice = {"finish_reason": reason, "message": {"role": "assistant", "content": content}}
    return {"id": "c", "object": "chat.completion", "model": "gpt-4o-2024", "choices": [choice]}


def responded(status: str, **more: Any) -> dict[str, Any]:
    """A response of the Responses API."""
    return {"id": "r", "object": "response", "status": status, "output": [], **more}


OPENAI: list[tuple[dict[str, Any], str]] = [
    ({"response": completion("Hello.")}, "ok"),
    ({"response": completion(None)}, "empty"),
    ({"response": completion("Hel", "length")}, "cut_off"),
    ({"response": completion("", "content_filter")}, "filtered"),
    ({"response": {"error": {"message": "Rate limit reached"}}}, "error"),
    ({"response": {"object": "error"}, "error": "Request timed out."}, "timeout"),
    ({"response": {"status_code": 504, "body": {"error": {"message": "bad gateway"}}}}, "timeout"),
    ({"response": {"status_code": 400, "body": {"object": "error"}}}, "error"),
    ({"response": completion("Hel"), "error": "connection reset"}, "error"),
    ({"response": responded("failed", error={"message": "boom"})}, "error"),
    ({"response": responded("cancelled")}, "error"),
    (
        {"response": responded("incomplete", incomplete_details={"reason": "max_output_tokens"})},
        "cut_off",
    ),
]


@pytest.mark.parametrize(("log", "status"), OPENAI, ids=str)
def test_a_logged_call_has_the_status_of_its_response(
    tmp_path: Path, log: dict[str, Any], status: str
) -> None:
    """Of its body, its HTTP code, its finish reason, or the error that the log has beside it."""
    assert status_of(tmp_path, {"id": "l", "timestamp": AT, "request": REQUEST, **log}) == status


def test_a_trace_in_fragments_has_the_status_of_the_whole(tmp_path: Path) -> None:
    """A call's failure ends where another fragment has the answer; the root's own does not."""
    root = span(9, gen_ai__operation__name="invoke_agent")
    failed = {**otlp("rate limit"), "parentSpanId": f"{9:016x}"}
    answered = {**otlp(**ANSWERED), "spanId": f"{2:016x}", "parentSpanId": f"{9:016x}"}

    def fragment(*spans: Any) -> Trace:
        (trace,) = read(tmp_path / "part.jsonl", envelope(*spans))
        assert isinstance(trace, Trace)
        return trace

    first, second = fragment(root, failed), fragment(answered)
    assert (first.status, second.status) == ("error", "ok")
    assert merge_fragments([first, second]).status == "ok"
    broken = fragment({**root, "status": {"code": 2, "message": "boom"}})
    assert merge_fragments([second, broken]).status == "error"


@pytest.mark.parametrize(
    "value", [None, "", "x" * 10**6, True, 1, 99, 301, 700, -5, 1e300, [], {}, "٣٠٠", "²"]
)
def test_what_is_no_status_is_none(value: Any) -> None:
    """Any value may stand in a column of that name."""
    assert read_status(value) is None


def test_a_status_that_was_derived_is_derived_again() -> None:
    """A row that is read from its stored fields keeps its status."""
    for status in ("error", "timeout", "cut_off", "filtered", "empty", "ok"):
        assert derive_status("Hello.", (), None, read_status(status)) == status
