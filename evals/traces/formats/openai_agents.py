"""OpenAI Agents SDK: the traces and spans that a tracing processor writes, one an item.

A trace is an item of its own, which holds its name, group and metadata; its spans have the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.spans.item_rows import Item, ItemFormat, Place, read_item_rows, require_trace_id
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    describe_model_call,
    describe_sides,
    find_value,
    parse_object,
    split_people,
    to_text,
)
from evals.traces.spans.spans import Span
from evals.traces.spans.trace_roots import TRACE, RootKeys, unite_under_root
from evals.traces.spans.values import parse_literal, read_timestamp

NAME = "openai-agents"
HOLDERS = ("data", "items", "spans")
KINDS = {
    **dict.fromkeys(("generation", "response", "transcription", "speech"), "LLM"),
    **dict.fromkeys(("custom", "handoff", "speech_group", "mcp_tools"), "CHAIN"),
    "agent": "AGENT",
    "function": "TOOL",
    "guardrail": "GUARDRAIL",
}
ROOT = RootKeys("input.value", "output.value", "openinference.span.kind", (), "metadata.trace_name")
READ = ("type", "input", "output", "model", "model_config", "usage", "name", "response")
WITHOUT_TEXT = Refused(
    "no-content",
    "The trace's calls have no question and no answer: the SDK exports only the id of a response. "
    "In your tracing processor, add `span.span_data.input` and "
    "`span.span_data.response.model_dump()` to `span_data` as `input` and `response`.",
)
WITHOUT_SPANS = Refused(
    "no-spans",
    "The trace has no spans in this file; put it into the file that its spans are in.",
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether items are traces and spans of the Agents SDK."""
    paths = list_key_paths(head)
    return any(
        {f"{under}{key}" for key in keys} <= paths
        for under in ("", *(f"{name}." for name in HOLDERS))
        for keys in (("trace_id", "span_data"), ("id", "object", "workflow_name"))
    )


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the refusals of items as they come, then the traces."""
    return read_item_rows(rows, reading, FORM)


def list_items(row: Object) -> list[Json]:
    """Lists the items of a batch, a trace with the spans it holds, or the row itself."""
    items: list[Json] = [] if row.get("object") is None and "span_data" not in row else [row]
    for key in HOLDERS:
        if type(listed := row.get(key)) is list:
            items += listed
    return items or [row]


def read_item(item: Object, place: Place) -> Iterator[Item]:
    """Yields the span of a trace or a span.

    Raises:
        Refused: the item is neither, or names no trace.
    """
    if item.get("object") == "trace" or item.get("workflow_name") not in EMPTY:
        yield build_root(item, place.line)
    elif item.get("span_data") not in EMPTY:
        yield build_span(item, place.line)
    else:
        raise Refused(
            "not-openai-agents",
            "The item is neither a trace nor a span of the OpenAI Agents SDK; write what "
            "`export()` returns for each.",
        )


def build_root(item: Object, line: int) -> Span:
    """Builds the span of a trace itself."""
    trace_id = require_trace_id(to_text(find_value(item, ("id", "trace_id"))), "id")
    people, metadata = split_people(parse_object(parse_literal(item.get("metadata"))))
    attributes: Object = {
        "openinference.span.kind": "CHAIN",
        **people,
        **({"session.id": item["group_id"]} if item.get("group_id") else {}),
        "metadata": metadata,
    }
    known = {key: value for key, value in attributes.items() if value not in EMPTY}
    name = to_text(item.get("workflow_name"))
    return Span(trace_id, TRACE, "", name, None, None, known, (), "", {}, "", line)


def build_span(item: Object, line: int) -> Span:
    """Builds a span.

    Raises:
        Refused: it names no trace, or its start is no time.
    """
    data = parse_object(parse_literal(item.get("span_data")))
    start = read_timestamp(item.get("started_at"))
    if start is None:
        raise Refused("bad-timestamp", "`started_at` is no time; expected ISO 8601.")
    return Span(
        require_trace_id(to_text(item.get("trace_id")), "trace_id"),
        to_text(find_value(item, ("id", "span_id"))),
        to_text(item.get("parent_id")) or TRACE,
        name_span(data),
        start,
        read_timestamp(item.get("ended_at")),
        read_attributes(data),
        (),
        describe_error(item.get("error")),
        {},
        "",
        line,
    )


def name_span(data: Object) -> str:
    """Names a span by its own name, or by its type."""
    if data.get("type") == "handoff":
        return f"handoff to {to_text(data.get('to_agent'))}"
    inner = parse_object(data.get("data"))
    return to_text(find_value(inner, ("agent_name", "name")) or find_value(data, ("name", "type")))


def describe_error(value: Json) -> str:
    """Returns the message of a span's error; empty where it has none."""
    error = parse_object(parse_literal(value))
    return to_text(error.get("message")) or ("error" if value else "")


def read_attributes(data: Object) -> Object:
    """Converts a span's data to attributes."""
    kind = KINDS.get(to_text(data.get("type")), "CHAIN")
    known: Object = {"openinference.span.kind": kind}
    if kind == "LLM":
        known |= describe_call(data)
    else:
        known |= describe_sides(data.get("input"), data.get("output"), is_table=False)
    rest = {f"span_data.{key}": value for key, value in data.items() if key not in READ}
    return {key: value for key, value in {**rest, **known}.items() if value not in EMPTY}


def describe_call(data: Object) -> Object:
    """Describes a model's call: a generation's messages, or a response and its input."""
    response = parse_object(data.get("response"))
    inputs = data.get("input")
    request = {"input": inputs, "model": data.get("model") or response.get("model")}
    if response:
        request["instructions"] = response.get("instructions")
    usage = parse_object(data.get("usage"))
    described = describe_model_call(
        request if response or type(inputs) is str else inputs, response or data.get("output")
    )
    found: Object = {
        "input.value": inputs,
        "output.value": data.get("output"),
        "gen_ai.request.model": data.get("model"),
        "llm.invocation_parameters": parse_object(data.get("model_config")),
        "gen_ai.usage.input_tokens": find_value(usage, ("input_tokens", "prompt_tokens")),
        "gen_ai.usage.output_tokens": find_value(usage, ("output_tokens", "completion_tokens")),
        "gen_ai.usage.total_tokens": usage.get("total_tokens"),
        "gen_ai.tool.definitions": response.get("tools"),
    }
    return described | {key: value for key, value in found.items() if value not in EMPTY}


def identify(item: Object) -> Object:
    """Returns the trace and the start of a refused item."""
    start = item.get("started_at")
    return {
        "trace_id": find_value(item, ("trace_id", "id")),
        "ts": start if type(start) is str else None,
    }


def unite(spans: list[Span]) -> list[Span]:
    """Puts the spans of a trace under the trace.

    Raises:
        Refused: the trace has no spans here, or its calls are without any text.
    """
    if all(span.span_id == TRACE for span in spans):
        raise WITHOUT_SPANS
    calls = [span for span in spans if span.attributes.get("openinference.span.kind") == "LLM"]
    if calls and not any(map(has_text, spans)) and not any(span.error for span in spans):
        raise WITHOUT_TEXT
    return unite_under_root(spans, ROOT)


def has_text(span: Span) -> bool:
    """Whether a model's call records its question or its answer."""
    is_call = span.attributes.get("openinference.span.kind") == "LLM"
    return is_call and any(key in span.attributes for key in TEXTS)


TEXTS = ("input.value", "output.value", "gen_ai.input.messages", "gen_ai.output.messages")
FORM = ItemFormat(NAME, list_items, read_item, identify, unite)
