"""An application's answer keeps every byte, even where it is JSON.

Here no call of a model tells the answer once more; where one does, the round trips promise it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.records import Trace
from evals.traces import reader
from tests.evals.traces.products import envelope

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
"""What frameworks write around an answer, and no application as one."""
TIMES = {"start_time": "2026-10-01 12:00:00.000000", "end_time": "2026-10-01 12:00:01.000000"}


class Said:
    """The fields of an exchange that an envelope needs."""

    trace_id = "0" * 31 + "1"
    start = datetime(2026, 10, 1, 12, tzinfo=UTC)
    end = datetime(2026, 10, 1, 12, 0, 1, tzinfo=UTC)


def openinference(answer: str) -> str:
    """A root's attribute."""
    root = {"openinference.span.kind": "AGENT", "input.value": "Where?", "output.value": answer}
    root["output.mime_type"] = "text/plain"
    said: Any = Said
    return envelope(said, {"service.name": "shop"}, [(0, "agent", root)])


def untyped(answer: str) -> str:
    """The same, without saying whether it is text."""
    return openinference(answer).replace("output.mime_type", "output.unknown")


def phoenix(answer: str) -> str:
    """The same, nested."""
    output = {"value": answer, "mime_type": "text/plain"}
    values = {"input": {"value": "Where?"}, "output": output}
    about = {"name": "agent", "context": {"trace_id": "1" * 32, "span_id": "2" * 16}}
    return json.dumps({**about, **TIMES, "span_kind": "AGENT", "attributes": values})


def langfuse_export(answer: str) -> str:
    """An observation of the blob export."""
    row = {"id": "o", "trace_id": "t", "type": "AGENT", "parent_observation_id": ""}
    told = {"trace_name": "x", "usage_details": {}, "input": "Where?", "output": answer}
    return json.dumps({**row, **TIMES, **told})


def langfuse_call(answer: str) -> str:
    """A model's call that is all its trace is."""
    return langfuse_export(answer).replace("AGENT", "GENERATION")


def langfuse_api(answer: str) -> str:
    """A trace of the API, whose observation repeats it."""
    times = {"startTime": "2026-10-01T12:00:00Z", "endTime": "2026-10-01T12:00:01Z"}
    words = {"input": "Where?", "output": answer}
    inside = {"id": "o", "traceId": "t", "type": "AGENT", "name": "agent", **times, **words}
    trace = {"id": "t", "name": "agent", "userId": None, "htmlPath": "/", **words}
    return json.dumps({**trace, "timestamp": times["startTime"], "observations": [inside]})


LANGFUSE = (langfuse_export, langfuse_api)


def langsmith(answer: str) -> str:
    """A root run's output."""
    row = {"id": "r", "trace_id": "r", "run_type": "chain", "name": "agent", "session_name": "shop"}
    return json.dumps(
        {**row, **TIMES, "inputs": {"input": "Where?"}, "outputs": {"output": answer}}
    )


def openai(answer: str) -> str:
    """A logged response."""
    message = {"role": "assistant", "content": answer}
    response = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    request = {"model": "gpt-a", "messages": [{"role": "user", "content": "Where?"}]}
    beside = {"trace_id": "t", "timestamp": "2026-10-01T12:00:00Z"}
    return json.dumps({**beside, "request": request, "response": response})


def plain(answer: str) -> str:
    """A row of a team's own."""
    return json.dumps({"trace_id": "t", "ts": "2026-10-01T12:00:00Z", "output": answer})


def read_answer(folder: Path, rows: str) -> str:
    """The answer of the only trace of an export."""
    path = folder / "export.jsonl"
    path.write_text(rows + "\n")
    (trace,) = reader.read_file(path, mappings={}, app="shop")
    assert isinstance(trace, Trace)
    return trace.output


@pytest.mark.parametrize("answer", [*ANSWERS, *LIKE_WRAPPERS[:5]])
def test_a_call_s_answer_that_is_json_keeps_its_bytes(tmp_path: Path, answer: str) -> None:
    """Though the call is all its trace is."""
    assert read_answer(tmp_path, langfuse_call(answer)) == answer


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "write", [openinference, phoenix, langfuse_export, langfuse_api, langsmith, openai, plain]
)
def test_an_answer_that_is_json_keeps_its_bytes(tmp_path: Path, write: Any, answer: str) -> None:
    """Neither spaces nor the order of keys nor the digits of a number change."""
    assert read_answer(tmp_path, write(answer)) == answer


@pytest.mark.parametrize("answer", LIKE_WRAPPERS)
@pytest.mark.parametrize(
    "write",
    [openinference, untyped, phoenix, *LANGFUSE, langsmith, openai, plain],
)
def test_an_answer_that_looks_like_a_wrapper_keeps_its_bytes(
    tmp_path: Path, write: Any, answer: str
) -> None:
    """An object of the application's own is its answer, whatever its keys are called."""
    assert read_answer(tmp_path, write(answer)) == answer


@pytest.mark.parametrize("write", [openinference, phoenix, langsmith, openai, plain])
def test_quotes_are_kept_where_the_format_tells_text_from_json(tmp_path: Path, write: Any) -> None:
    """By its type, or by standing in an object of its own; others quote what is text."""
    assert read_answer(tmp_path, write('"quoted"')) == '"quoted"'


@pytest.mark.parametrize("value", WRAPPED, ids=str)
@pytest.mark.parametrize("write", [untyped, *LANGFUSE, plain])
def test_what_only_frameworks_write_is_taken_off(tmp_path: Path, write: Any, value: Any) -> None:
    """Though no call of a model tells the answer once more."""
    assert read_answer(tmp_path, write(json.dumps(value))) == "There."


@pytest.mark.parametrize("value", WRAPPED[:4], ids=str)
def test_a_plain_row_s_answer_is_the_words_in_its_messages(tmp_path: Path, value: Any) -> None:
    """As objects in JSON, among rows of plain text, and as text in a table's cell."""
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
    kept = traces["t-1"].metadata.get("output")
    assert kept == (value if isinstance(value, list) else None)


def test_a_plain_row_s_messages_without_words_stay_as_they_are(tmp_path: Path) -> None:
    """A call of a tool is no answer in words."""
    call = '[{"role":"assistant","content":null,"tool_calls":[{"id":"c"}]}]'
    assert read_answer(tmp_path, plain(call)) == call


def test_what_an_answer_is_wrapped_in_is_taken_off_where_a_call_gave_it(tmp_path: Path) -> None:
    """Of an event or a state that says more than the answer the words are the model's."""
    said = Said()
    event = {"content": {"parts": [{"text": "There."}], "role": "model"}, "author": "bot"}
    asked = {"prompt": "Where?", "system": "Be kind.", "attempts": 3}
    values = {"input.value": json.dumps(asked), "output.value": json.dumps(event)}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.prompt": "Rendered: where?"}
    spans = [
        (0, "agent", {"openinference.span.kind": "CHAIN", **values}),
        (1, "chat", {**chat, "gen_ai.completion": "Let me think."}),
        (2, "chat", {**chat, "gen_ai.completion": "There."}),
    ]
    path = tmp_path / "export.jsonl"
    path.write_text(envelope(said, {"service.name": "shop"}, spans) + "\n")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.output) == ("Where?", "There.")
    assert trace.metadata["name"] == "agent"


def test_an_input_that_is_more_than_a_question_is_kept_beside_it(tmp_path: Path) -> None:
    """The question is the model's; the object it was made of stands in the metadata."""
    given = {"customer": "gold", "ticket": {"text": "Where?"}}
    root = {"openinference.span.kind": "CHAIN", "input.value": json.dumps(given)}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.prompt": "Where?"}
    chat["gen_ai.completion"] = "Here."
    path = tmp_path / "export.jsonl"
    spans = [(0, "agent", root), (1, "chat", chat)]
    path.write_text(envelope(Said(), {"service.name": "shop"}, spans) + "\n")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.output) == ("Where?", "Here.")
    assert trace.metadata["input"] == given


def test_what_stands_beside_a_question_is_kept(tmp_path: Path) -> None:
    """An object that names a model or a person beside the words is whole in the metadata."""
    given = {"question": "Where?", "name": "Bob", "model": "m"}
    path = tmp_path / "export.jsonl"
    root = {"openinference.span.kind": "AGENT", "input.value": json.dumps(given)}
    path.write_text(envelope(Said(), {"service.name": "shop"}, [(0, "agent", root)]) + "\n")
    (trace,) = reader.read_file(path, mappings={})
    assert isinstance(trace, Trace)
    assert (trace.input, trace.metadata["input"]) == ("Where?", given)
