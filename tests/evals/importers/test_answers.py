"""What an application answered stays byte for byte as it said it, though it is JSON.

Here no call of a model tells the answer once more; where one does, the round trips promise it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals import importers
from evals.records import Trace
from tests.evals.importers.products import envelope

ANSWERS = [
    '{"price": 1.50,  "title": "A"}',
    '{\n  "b": 1,\n  "a": 2\n}',
    "[1, 2,3]",
    '[{"type": "x", "n": 1.0}]',
    "1.50",
    " padded\n",
]
TIMES = {"start_time": "2026-10-01 12:00:00.000000", "end_time": "2026-10-01 12:00:01.000000"}


class Said:
    """As much of an exchange as an envelope asks for."""

    trace_id = "0" * 31 + "1"
    start = datetime(2026, 10, 1, 12, tzinfo=UTC)
    end = datetime(2026, 10, 1, 12, 0, 1, tzinfo=UTC)


def openinference(answer: str) -> str:
    """A root's attribute."""
    root = {"openinference.span.kind": "AGENT", "input.value": "Where?", "output.value": answer}
    said: Any = Said
    return envelope(said, {"service.name": "shop"}, [(0, "agent", root)])


def phoenix(answer: str) -> str:
    """The same, nested."""
    values = {"input": {"value": "Where?"}, "output": {"value": answer}}
    about = {"name": "agent", "context": {"trace_id": "1" * 32, "span_id": "2" * 16}}
    return json.dumps({**about, **TIMES, "span_kind": "AGENT", "attributes": values})


def langfuse_export(answer: str) -> str:
    """An observation of the blob export."""
    row = {"id": "o", "trace_id": "t", "type": "AGENT", "parent_observation_id": ""}
    told = {"trace_name": "x", "usage_details": {}, "input": "Where?", "output": answer}
    return json.dumps({**row, **TIMES, **told})


def langfuse_api(answer: str) -> str:
    """A trace of the API, whose observation repeats it."""
    times = {"startTime": "2026-10-01T12:00:00Z", "endTime": "2026-10-01T12:00:01Z"}
    words = {"input": "Where?", "output": answer}
    inside = {"id": "o", "traceId": "t", "type": "AGENT", "name": "agent", **times, **words}
    trace = {"id": "t", "name": "agent", "userId": None, "htmlPath": "/", **words}
    return json.dumps({**trace, "timestamp": times["startTime"], "observations": [inside]})


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


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "write", [openinference, phoenix, langfuse_export, langfuse_api, langsmith, openai, plain]
)
def test_an_answer_that_is_json_is_kept_as_it_was_said(
    tmp_path: Path, write: Any, answer: str
) -> None:
    """Neither spaces nor the order of keys nor the digits of a number change."""
    path = tmp_path / "export.jsonl"
    path.write_text(write(answer) + "\n")
    (trace,) = importers.read(path, mappings={}, app="shop")
    assert isinstance(trace, Trace)
    assert trace.output == answer
