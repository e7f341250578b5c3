"""Promises of flaws in JSON: one bad value costs itself, never the rows or answer around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.records import Label, NonAnswer, Refusal, Trace
from evals.traces import reader
from evals.traces.rows.canonical import Reading
from tests.evals.traces.products import PRODUCTS
from tests.evals.traces.span_exports import write_envelope
from tests.evals.traces.test_hostile_products import BAD, GOOD, MARK

FLAWS = {
    "half a pair": b'"caf\\ud83d"',
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "beyond floats": b"1e999",
    "24 digits": b"123456789012345678901234",
    "one key twice": b'{"a": 1, "a": 2}',
    "no UTF-8": b'"caf\xe9"',
    "a surrogate's bytes": b'"caf\xed\xa0\xbd"',
    "a raw control character": b'"a\tb"',
    "an escape of no meaning": b'"C:\\data"',
    "nested deeply": b"[" * 300 + b"]" * 300,
    "nested without bounds": b'{"a":' * 5000 + b"1" + b"}" * 5000,
}
PAGES = {
    "otlp": "resourceSpans", "openinference": "resourceSpans", "langfuse": "data",
    "langsmith": "runs", "phoenix": "data", "opik": "data", "weave": "calls",
    "braintrust": "data", "openai_agents": "data", "mlflow": "traces", "helicone": "data",
    "litellm": "data", "bedrock": "events",
}  # fmt: skip
"""The key under which each product lists the rows of a page, or its whole envelopes' groups."""


def list_rows(text: str, key: str) -> list[Any]:
    """Lists the rows of a product's text: its lines, or what its pages list."""
    parsed = [json.loads(line) for line in text.splitlines()]
    pages = [row[key] for row in parsed if isinstance(row, dict) and key in row]
    flat = [row for row in parsed if isinstance(row, list)]
    return [row for page in pages or flat or [parsed] for row in page]


def write_page(name: str, flaw: bytes) -> bytes:
    """Writes two traces as one page, one value of the second flawed."""
    key, write = PAGES[name], PRODUCTS[name].write
    rows = [*list_rows(write(GOOD), key), *list_rows(write(BAD), key)]
    return json.dumps({key: rows}).encode().replace(f'"{MARK}"'.encode(), flaw)


@pytest.mark.parametrize("name", PAGES)
def test_a_flawed_value_costs_nothing_but_itself(tmp_path: Path, name: str) -> None:
    """Both traces of the page are read whole, whatever is wrong with one user's name."""
    path = tmp_path / PRODUCTS[name].file
    for flaw in FLAWS:
        path.write_bytes(write_page(name, FLAWS[flaw]))
        app = GOOD.app if "app" in PRODUCTS[name].missing else None
        found = [*reader.read_file(path, mappings={}, app=app)]
        traces = [item for item in found if isinstance(item, Trace)]
        assert [trace.output for trace in traces] == ["In Bonn."] * 2, flaw
        assert not [item for item in found if not isinstance(item, Trace | Label | NonAnswer)]


def test_a_flawed_value_is_noted_with_its_row(tmp_path: Path) -> None:
    """The note names the key, counts the rows and shows what is there instead."""
    path = tmp_path / "spans.jsonl"
    path.write_bytes(write_page("otlp", b'"caf\\ud83d"') + b"\n" + write_page("otlp", b"1e999"))
    reading = Reading(path.name, path=path)
    assert [*reader.read_batches(path, reading)]
    note = reading.notes.unread["stringValue"]
    assert (note.rows, note.line, note.example) == (2, 1, "caf\ufffd")


def test_a_plain_row_with_a_flaw_is_refused_by_itself(tmp_path: Path) -> None:
    """A row of our own format is one trace, of which no value is guessed."""
    path = tmp_path / "rows.jsonl"
    row = {"trace_id": "t-1", "ts": "2026-10-01T12:00:00Z", "app": "shop", "output": "yes"}
    flawed = json.dumps({**row, "trace_id": "t-2"}).replace('"yes"', '"yes\\ud83d"')
    path.write_text(f"{json.dumps(row)}\n{flawed}\n", "utf-8")
    trace, refusal = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "not-utf8"


INNER = {
    "half a pair": '"caf\\ud83d"', "NaN": "NaN", "beyond floats": "1e999", "24 digits": "1" * 24,
    "one key twice": '{"a": 1, "a": 2}', "a line break": '"a\nb"', "an escape": '"C:\\data"',
    "nested deeply": "[" * 300 + "]" * 300,
}  # fmt: skip
ANSWER = "I cannot help."
FLAW = "a-value-to-be-replaced"
MESSAGE: dict[str, Any] = {"role": "assistant", "content": ANSWER, "finish_reason": "stop"}
CALL = {"type": "tool_call", "id": "c", "name": "find", "arguments": {"city": FLAW}}
PARTS = {"role": "assistant", "parts": [{"type": "text", "content": ANSWER}, CALL]}
ASKED_PART = {"type": "text", "content": "Where?"}
ASKED = {"role": "user", "content": "Where?", "note": FLAW}
CHOICES = {"choices": [{"index": 0, "message": MESSAGE, "logprobs": FLAW}]}
CONSTRUCTOR = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "AIMessage"]}
GENERATION = {"text": ANSWER, "message": {**CONSTRUCTOR, "kwargs": {"content": ANSWER}}}
SPANS: dict[str, dict[str, Any]] = {
    "gen_ai": {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": [{"role": "user", "parts": [ASKED_PART], "note": FLAW}],
        "gen_ai.output.messages": [PARTS],
    },
    "gen_ai, indexed": {
        "gen_ai.operation.name": "chat",
        "gen_ai.prompt": [ASKED],
        "gen_ai.completion": [{**MESSAGE, "logprobs": FLAW}],
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "input.value": {"messages": [ASKED]},
        "output.value": CHOICES,
        "output.mime_type": "application/json",
    },
    "openinference chain": {
        "openinference.span.kind": "CHAIN",
        "input.value": {"messages": [ASKED]},
        "output.value": {"messages": [{"type": "ai", "content": ANSWER, "note": FLAW}]},
    },
    "traceloop": {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": {"inputs": {"question": "Where?"}, "kwargs": {"note": FLAW}},
        "traceloop.entity.output": {"outputs": {"messages": [MESSAGE]}, "kwargs": {"note": FLAW}},
    },
}  # fmt: skip


def quote(value: Any, flaw: str) -> str:
    """Writes a value as JSON text with a flaw in it."""
    return json.dumps(value).replace(f'"{FLAW}"', flaw)


def write_span(name: str, flaw: str) -> str:
    """Writes a span whose messages are JSON in texts with a flaw."""
    attributes = {
        key: value if isinstance(value, str) else quote(value, flaw)
        for key, value in SPANS[name].items()
    }
    return write_envelope(GOOD, {"service.name": "shop"}, [(0, "call", attributes)])


def write_run(_name: str, flaw: str) -> str:
    """Writes a run of LangSmith whose columns are JSON in texts with a flaw."""
    run = json.loads(PRODUCTS["langsmith"].write(GOOD).splitlines()[1])
    run |= {"id": run["trace_id"], "parent_run_id": None, "dotted_order": ""}
    run["inputs"] = quote({"messages": [ASKED]}, flaw)
    run["outputs"] = quote({"generations": [[GENERATION]], "llm_output": {"x": FLAW}}, flaw)
    return json.dumps(run)


def write_log(_name: str, flaw: str) -> str:
    """Writes a logged call whose response is JSON in a text with a flaw."""
    row = json.loads(PRODUCTS["openai"].write(GOOD))
    return json.dumps({**row, "response": quote(CHOICES, flaw)})


def write_observation(_name: str, flaw: str) -> str:
    """Writes a trace of Langfuse whose texts are JSON with a flaw."""
    trace = json.loads(PRODUCTS["langfuse"].write(GOOD))["data"][0]
    for row in trace["observations"]:
        row |= {"input": quote([ASKED], flaw), "output": quote({**MESSAGE, "x": FLAW}, flaw)}
    trace["metadata"] = quote({"resourceAttributes": {"service.name": "shop"}, "x": FLAW}, flaw)
    return json.dumps({**trace, "output": quote({"messages": [MESSAGE], "x": FLAW}, flaw)})


WRITERS = dict.fromkeys(SPANS, write_span) | {
    "langsmith": write_run, "openai": write_log, "langfuse": write_observation,
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_flaw_in_quoted_json_never_makes_the_wrapper_the_answer(
    tmp_path: Path, name: str
) -> None:
    """The answer and the question are the words of the messages, whatever is wrong beside them."""
    path = tmp_path / "rows.jsonl"
    for flaw in INNER:
        path.write_text(WRITERS[name](name, INNER[flaw]), "utf-8")
        (trace,) = reader.read_file(path, mappings={}, app="shop")
        assert isinstance(trace, Trace), flaw
        assert (trace.output, trace.status) == (ANSWER, "ok"), flaw
        assert trace.input == GOOD.question == "Where?", flaw


@pytest.mark.parametrize("name", WRITERS)
def test_an_answer_in_json_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    """The text of a wrapper is no answer: the refusal names what cuts texts off."""
    path = tmp_path / "rows.jsonl"
    path.write_text(WRITERS[name](name, '{"a": '), "utf-8")
    (refusal,) = reader.read_file(path, mappings={}, app="shop")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unreadable-answer"
    assert "ATTRIBUTE_VALUE_LENGTH_LIMIT" in refusal.reason


@pytest.mark.parametrize(
    "answer", ['{"city": "Bergen', "[1] See the manual", '{"role": "admin"}', "{{name}}", "[a](b)"]
)
def test_an_answer_that_only_begins_like_json_is_an_answer(tmp_path: Path, answer: str) -> None:
    """It is somebody's words, whole or not."""
    attributes = {"openinference.span.kind": "CHAIN", "input.value": "q", "output.value": answer}
    path = tmp_path / "rows.jsonl"
    path.write_text(
        write_envelope(GOOD, {"service.name": "shop"}, [(0, "ask", attributes)]), "utf-8"
    )
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert trace.output == answer
