"""The tool calls of a trace, from its steps and its messages, and the documents it retrieved.

Makes no verdict: `tools`, `retrieval` and `source` do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from evals.records import Json, Trace

NOT_RECORDED = object()
"""The arguments of a call that the trace does not have."""


class ToolCall(NamedTuple):
    """A call of a tool."""

    name: str
    arguments: object
    """As an object where they can be read; the text itself where they cannot."""
    error: str = ""

    @property
    def key(self) -> str:
        """The name and the arguments as one text: equal calls have the same."""
        if self.arguments is NOT_RECORDED:
            return self.name
        arguments = json.dumps(self.arguments, sort_keys=True, default=str, ensure_ascii=True)
        return f"{self.name} {arguments}"


def list_tool_calls(trace: Trace) -> list[ToolCall] | None:
    """Lists the calls of a trace's turn in order; None where it records no steps and no messages.

    A step of a tool is a call. What a model asked for, in a step or in a message since the last
    question, is one where no such step has its id.
    """
    if not (trace.steps or trace.messages):
        return None
    steps = list(select_objects(trace.steps))
    asked = list(list_asked_calls(trace, steps))
    arguments = {str(call["id"]): read_function(call) for call in asked if call.get("id")}
    tools = [step for step in steps if step.get("kind") == "tool"]
    done = [read_step(step, arguments) for step in tools]
    ids = {str(step["call_id"]) for step in tools if step.get("call_id")}
    names = {str(step.get("name")) for step in tools if not step.get("call_id")}
    others = [(call, read_function(call)) for call in asked]
    unrecorded = [
        made for call, made in others if str(call.get("id")) not in ids and made.name not in names
    ]
    return [*done, *unrecorded]


def list_asked_calls(trace: Trace, steps: Sequence[dict[str, Json]]) -> Iterator[dict[str, Json]]:
    """Yields each call that a model asked for, of equal ids the first."""
    messages = list(select_objects(trace.messages))
    last = max((n for n, one in enumerate(messages) if one.get("role") == "user"), default=-1)
    seen: set[str] = set()
    for holder in (*messages[last + 1 :], *steps):
        calls = holder.get("tool_calls")
        for call in select_objects(calls if isinstance(calls, list) else ()):
            name = str(call.get("id") or "")
            if name not in seen:
                yield call
            seen |= {name} if name else set()


def select_objects(values: Iterable[Json]) -> Iterator[dict[str, Json]]:
    """Yields the objects among some values."""
    return (value for value in values if isinstance(value, dict))


def read_step(step: dict[str, Json], asked: dict[str, ToolCall]) -> ToolCall:
    """Reads the step of a tool; its arguments may be where a model asked for it."""
    call = asked.get(str(step.get("call_id")))
    arguments = read_arguments(step["input"]) if "input" in step else NOT_RECORDED
    if arguments is NOT_RECORDED and call:
        arguments = call.arguments
    name = str(step.get("name") or (call.name if call else "tool"))
    return ToolCall(name, arguments, read_error(step))


def read_function(call: dict[str, Json]) -> ToolCall:
    """Reads a call that a model asked for, as a function with arguments."""
    function = call.get("function")
    of = function if isinstance(function, dict) else call
    arguments = read_arguments(of["arguments"]) if "arguments" in of else NOT_RECORDED
    return ToolCall(str(of.get("name") or "tool"), arguments)


def read_arguments(value: Json) -> object:
    """Reads arguments that may be JSON in a text; no text at all is no argument."""
    if not isinstance(value, str):
        return {} if value is None else value
    try:
        return json.loads(value) if value.strip() else {}
    except (ValueError, RecursionError):
        return value


def read_error(step: dict[str, Json]) -> str:
    """Returns a step's error; empty where it has none."""
    error = step.get("error")
    return "" if error in (None, "", False) else str(error)[:200]


def find_errors(steps: Iterable[Json]) -> list[str]:
    """Describes each step that ended in an error."""
    return [
        f"{step.get('name') or step.get('kind') or 'step'}: {error}"
        for step in select_objects(steps)
        if (error := read_error(step))
    ]


class Document(NamedTuple):
    """A retrieved document."""

    id: str
    content: str


def list_documents(steps: Iterable[Json]) -> list[Document]:
    """Lists the documents that a trace retrieved, best first: the last reranker's, if there is one.

    Of several retrievals the documents follow each other; one that comes again counts once.
    """
    holders = [step for step in select_objects(steps) if isinstance(step.get("documents"), list)]
    reranked = [step for step in holders if step.get("kind") == "reranker"]
    found: dict[tuple[str, str], Document] = {}
    for step in reranked[-1:] or holders:
        documents = step["documents"]
        for value in select_objects(documents if isinstance(documents, list) else ()):
            document = read_document(value)
            key = (document.id, "" if document.id else document.content)
            found.setdefault(key, document)
    return list(found.values())


def read_document(value: dict[str, Json]) -> Document:
    """Reads a document; its id may be among its metadata."""
    about = value.get("metadata")
    names = ("id", "doc_id", "document_id", "source")
    places = (value, about if isinstance(about, dict) else {})
    ids = (place[name] for place in places for name in names if place.get(name) not in (None, ""))
    content = value.get("content")
    return Document(str(next(ids, "")), content if isinstance(content, str) else "")
