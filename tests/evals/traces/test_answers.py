"""Promises of answers: every byte of an application's answer is read, even where it is JSON.

Here no model call repeats the answer; the round trips cover exports where one does.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.records import Trace
from evals.traces import reader
from tests.evals.traces.span_exports import write_envelope

ANSWERS = [
    '{"price": 1.50,  "title": "A"}',
    '{\n  "b": 1,\n  "a": 2\n}',
    "[1, 2,3]",
    '[{"type": "x", "n": 1.0}]',
    "1.50",
    " padded\n",
]
LIKE_WRAPPERS = [
    '{"answer": "42"}',
    '{"output": "A", "id": 1}',
    '{"output": "A"}',
    '{"response": "Call me.",  "name": "Bob", "model": "T1000"}',
    '{"messages": []}',
    '{"role": "nurse", "content": "Nights."}',
    '{"choices": [{"text": "red"}, {"text": "blue"}]}',
    '{"generations": [{"text": "x"}, {"text": "y"}]}',
    '{"outputs": "A", "tags": ["b"]}',
    '[{"role": "nurse"}]',
]
WRAPPED = [
    {"role": "assistant", "content": "There."},
    [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}],
    {"messages": [{"type": "ai", "content": "There."}]},
    {"choices": [{"message": {"role": "assistant", "content": "There."}}], "model": "m"},
    {"choices": [{"text": "There.", "finish_reason": "stop"}]},
    {"text": "There.", "finish_reason": "stop"},
    {"generations": [[{"text": "There."}]], "llm_output": {}},
    {"outputs": {"role": "assistant", "content": "There."}, "kwargs": {"tags": []}},
]
"""Wrappers that frameworks write around an answer, and no application writes as one."""
TIMES = {"start_time": "2026-10-01 12:00:00.000000", "end_time": "2026-10-01 12:00:01.000000"}


class Exchange:
    """The fields of an exchange that an envelope needs."""

    trace_id = "0" * 31 + "1"
    start = datetime(2026, 10, 1, 12, tzinfo=UTC)
    end = datetime(2026, 10, 1, 12, 0, 1, tzinfo=UTC)


def write_openinference(answer: str) -> str:
    """Writes the answer as a root span's attribute."""
    root = {"openinference.span.kind": "AGENT", "input.value": "Where?", "output.value": answer}
    root["output.mime_type"] = "text/plain"
    exchange: Any = Exchange
    return write_envelope(exchange, {"service.name": "shop"}, [(0, "agent", root)])


def write_untyped(answer: str) -> str:
    """Writes the same without its MIME type."""
    return write_openinference(answer).replace("output.mime_type", "output.unknown")


def write_phoenix(answer: str) -> str:
    """Writes the same as Phoenix nests it."""
    output = {"value": answer, "mime_type": "text/plain"}
    values = {"input": {"value": "Where?"}, "output": output}
    about = {"name": "agent", "context": {"trace_id": "1" * 32, "span_id": "2" * 16}}
    return json.dumps({**about, **TIMES, "span_kind": "AGENT", "attributes": values})


def write_langfuse_export(answer: str) -> str:
    """Writes an observation of the blob export."""
    row = {"id": "o", "trace_id": "t", "type": "AGENT", "parent_observation_id": ""}
    fields = {"trace_name": "x", "usage_details": {}, "input": "Where?", "output": answer}
    return json.dumps({**row, **TIMES, **fields})


def write_langfuse_call(answer: str) -> str:
    """Writes a trace that is a single model call."""
    return write_langfuse_export(answer).replace("AGENT", "GENERATION")


def write_langfuse_api(answer: str) -> str:
    """Writes a trace of the API, whose observation repeats the answer."""
    times = {"startTime": "2026-10-01T12:00:00Z", "endTime": "2026-10-01T12:00:01Z"}
    words = {"input": "Where?", "output": answer}
    inside = {"id": "o", "traceId": "t", "type": "AGENT", "name": "agent", **times, **words}
    trace = {"id": "t", "name": "agent", "userId": None, "htmlPath": "/", **words}
    return json.dumps({**trace, "timestamp": times["startTime"], "observations": [inside]})


LANGFUSE = (write_langfuse_export, write_langfuse_api)


def write_langsmith(answer: str) -> str:
    """Writes the answer as a root run's output."""
    row = {"id": "r", "trace_id": "r", "run_type": "chain", "name": "agent", "session_name": "shop"}
    return json.dumps(
        {**row, **TIMES, "inputs": {"input": "Where?"}, "outputs": {"output": answer}}
    )


def write_openai(answer: str) -> str:
    """Writes a logged response."""
    message = {"role": "assistant", "content": answer}
    response = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    request = {"model": "gpt-a", "messages": [{"role": "user", "content": "Where?"}]}
    beside = {"trace_id": "t", "timestamp": "2026-10-01T12:00:00Z"}
    return json.dumps({**beside, "request": request, "response": response})


def write_plain(answer: str) -> str:
    """Writes a row of a team's own format."""
    return json.dumps({"trace_id": "t", "ts": "2026-10-01T12:00:00Z", "output": answer})


def read_answer(folder: Path, rows: str) -> str:
    """Reads the answer of the only trace of an export."""
    path = folder / "export.jsonl"
    path.write_text(rows + "\n")
    (trace,) = reader.read_file(path, mappings={}, app="shop")
    assert isinstance(trace, Trace)
    return trace.output


@pytest.mark.parametrize("answer", [*ANSWERS, *LIKE_WRAPPERS[:5]])
def test_a_json_answer_of_a_single_call_is_unchanged(tmp_path: Path, answer: str) -> None:
    """It is so where the call is the whole trace."""
    assert read_answer(tmp_path, write_langfuse_call(answer)) == answer


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "write",
    [
        write_openinference,
        write_phoenix,
        write_langfuse_export,
        write_langfuse_api,
        write_langsmith,
        write_openai,
        write_plain,
    ],
)
def test_a_json_answer_is_unchanged(tmp_path: Path, write: Any, answer: str) -> None:
    """Spaces, the order of keys and the digits of numbers do not change."""
    assert read_answer(tmp_path, write(answer)) == answer


@pytest.mark.parametrize("answer", LIKE_WRAPPERS)
@pytest.mark.parametrize(
    "write",
    [
        write_openinference,
        write_untyped,
        write_phoenix,
        *LANGFUSE,
        write_langsmith,
        write_openai,
        write_plain,
    ],
)
def test_an_answer_that_looks_like_a_wrapper_is_unchanged(
    tmp_path: Path, write: Any, answer: str
) -> None:
    """An application's own object is its answer, whatever its keys are named."""
    assert read_answer(tmp_path, write(answer)) == answer


@pytest.mark.parametrize(
    "write", [write_openinference, write_phoenix, write_langsmith, write_openai, write_plain]
)
def test_quotes_are_unchanged_where_the_format_marks_text(tmp_path: Path, write: Any) -> None:
    """A type or an object of its own marks text; other formats quote it."""
    assert read_answer(tmp_path, write('"quoted"')) == '"quoted"'


@pytest.mark.parametrize("value", WRAPPED, ids=str)
@pytest.mark.parametrize("write", [write_untyped, *LANGFUSE, write_plain])
def test_wrappers_of_frameworks_are_removed(tmp_path: Path, write: Any, value: Any) -> None:
    """They are removed although no model call repeats the answer."""
    assert read_answer(tmp_path, write(json.dumps(value))) == "There."


@pytest.mark.parametrize("value", WRAPPED[:4], ids=str)
def test_a_plain_row_s_answer_is_the_text_of_its_messages(tmp_path: Path, value: Any) -> None:
    """Messages may be JSON objects among rows of plain text, or text in a table's cell."""
    rows = [{"trace_id": f"t-{n}", "ts": "2026-10-01T12:00:00Z", "app": "shop", "output": "Here."}
            for n in range(3)]  # fmt: skip
    rows[1]["output"] = value
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = tmp_path / "rows.csv"
    cell = json.dumps(value).replace('"', '""')
    table.write_text(f'trace_id,ts,output\nt-1,2026-10-01T12:00:00Z,"{cell}"\n')
    traces = {
        row.trace_id: row
        for file in (path, table)
        for row in reader.read_file(file, mappings={}, app="shop")
        if isinstance(row, Trace)
    }
    assert [traces[f"t-{n}"].output for n in range(3)] == ["Here.", "There.", "Here."]
    batches = list(reader.read_batches(path, reader.Reading("rows", app="shop")))
    assert [isinstance(batch, Trace) for batch in batches] == [True, False]
    metadata_output = traces["t-1"].metadata.get("output")
    assert metadata_output == (value if isinstance(value, list) else None)


def test_a_plain_row_s_messages_without_text_are_unchanged(tmp_path: Path) -> None:
    """A tool call has no text that could be the answer."""
    call = '[{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}]'
    assert read_answer(tmp_path, write_plain(call)) == call


def test_an_answer_is_unwrapped_where_a_call_gave_it(tmp_path: Path) -> None:
    """Of an event or a state with further fields the answer is the model's text."""
    exchange = Exchange()
    event = {"content": {"parts": [{"text": "There."}], "role": "model"}, "author": "bot"}
    request = {"prompt": "Where?", "system": "Be kind.", "attempts": 3}
    values = {"input.value": json.dumps(request), "output.value": json.dumps(event)}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.prompt": "Rendered: where?"}
    spans = [
        (0, "agent", {"openinference.span.kind": "CHAIN", **values}),
        (1, "chat", {**chat, "gen_ai.completion": "Let me think."}),
        (2, "chat", {**chat, "gen_ai.completion": "There."}),
    ]
    path = tmp_path / "export.jsonl"
    path.write_text(write_envelope(exchange, {"service.name": "shop"}, spans) + "\n")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.output) == ("Where?", "There.")
    assert trace.metadata["name"] == "agent"


def test_an_input_object_is_in_the_metadata_beside_its_question(tmp_path: Path) -> None:
    """The input is the model's question, and the whole object is in the metadata."""
    question = {"customer": "gold", "ticket": {"text": "Where?"}}
    root = {"openinference.span.kind": "CHAIN", "input.value": json.dumps(question)}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.prompt": "Where?"}
    chat["gen_ai.completion"] = "Here."
    path = tmp_path / "export.jsonl"
    spans = [(0, "agent", root), (1, "chat", chat)]
    path.write_text(write_envelope(Exchange(), {"service.name": "shop"}, spans) + "\n")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.output) == ("Where?", "Here.")
    assert trace.metadata["input"] == question


def test_fields_beside_a_question_are_in_the_metadata(tmp_path: Path) -> None:
    """An object with further fields beside the question is whole in the metadata."""
    question = {"question": "Where?", "name": "Bob", "model": "m"}
    path = tmp_path / "export.jsonl"
    root = {"openinference.span.kind": "AGENT", "input.value": json.dumps(question)}
    path.write_text(
        write_envelope(Exchange(), {"service.name": "shop"}, [(0, "agent", root)]) + "\n"
    )
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.metadata["input"]) == ("Where?", question)
