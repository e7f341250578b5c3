"""Spans as steps of their trace, and the tool calls that no span records.

A step is a dict: `kind` (as in `facts`), `name`, `span_id`, `parent_id`, `ts`; and where they are
known `input`, `output`, `documents` (`id`, `content`, `score`, `metadata`), `call_id`, `model`,
`provider`, `tokens_in`, `tokens_out`, `tokens_other` (of a total, neither in nor out), `cost_usd`,
`latency_ms`, `finish_reason`, `tool_calls`,
`messages` (of a model's call, those that the trace's own lack), `error`, `attributes` (those of
no convention).

`facts` interprets a span; `assembly` builds the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from evals.records import Json
from evals.traces.files.strict_json import parse_inner, to_canonical_text
from evals.traces.messages import chat, payloads
from evals.traces.messages.parts import ToolCall
from evals.traces.messages.plain_text import remove_data
from evals.traces.spans.facts import SpanFacts
from evals.traces.spans.spans import Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Step: TypeAlias = dict[str, Json]


class TraceContent(NamedTuple):
    """What the trace itself holds already, so that its steps need not repeat it."""

    output: str
    messages: set[str]
    """The messages of the trace's chat, as canonical JSON."""


def build_step(
    span: Span, facts: SpanFacts, content: TraceContent, *, is_answer: bool, is_root: bool
) -> Step:
    """Builds the step of a span."""
    step: Step = {
        "kind": facts.kind,
        "name": name_step(span, facts),
        "span_id": span.span_id or None,
        "parent_id": span.parent_id or None,
        "ts": to_iso(span.start),
        "latency_ms": measure_span(span.start, span.end),
        "call_id": facts.get_text("call_id"),
        "documents": [*facts.documents] or None,
        "error": facts.error or None,
        "tokens_in": facts.tokens_in,
        "tokens_out": facts.tokens_out,
        "tokens_other": facts.tokens_other or None,
        "cost_usd": facts.cost,
        "attributes": None if is_root else facts.unknown or None,
    }
    if facts.kind == "llm" or facts.input_messages or facts.output_messages:
        step |= describe_call(facts, content, is_answer=is_answer)
    else:
        fields = facts.fields
        step["input"] = clean_payload(fields.get("input", fields.get("query")))
        step["output"] = None if facts.documents else clean_payload(fields.get("output"))
    return {key: value for key, value in step.items() if value is not None and value != ""}


def name_step(span: Span, facts: SpanFacts) -> str:
    """Names a step: a tool by its own name where it is recorded, else as its span."""
    own = facts.get_text("tool_name") or (facts.get_text("agent") if facts.kind == "tool" else None)
    return own or span.name or facts.kind


def clean_payload(value: Json) -> Json:
    """Removes inline data from a payload, and parses it where it is JSON text."""
    return payloads.parse_quoted(remove_data(value) if type(value) is str else value, parse_inner)


def describe_call(facts: SpanFacts, content: TraceContent, *, is_answer: bool) -> Step:
    """Describes a model's call for its step, without what the trace itself holds."""
    text = join_answer(facts)
    inputs = () if is_answer else chat.as_json(facts.input_messages)
    new = [message for message in inputs if to_canonical_text(message) not in content.messages]
    calls = [call for message in facts.output_messages for call in message.get("tool_calls", ())]
    thoughts = [message["reasoning"] for message in facts.output_messages if "reasoning" in message]
    return {
        "model": facts.get_text("model") or facts.get_text("model_requested"),
        "provider": facts.get_text("provider"),
        "finish_reason": facts.get_text("finish_reason"),
        "output": None if text == content.output else text,
        "tool_calls": chat.as_json(calls) or None,
        "reasoning": "\n".join(thoughts) or None,
        "messages": new or None,
    }


def find_unrecorded_calls(answer_call: SpanFacts, steps: Sequence[Step]) -> list[Step]:
    """Finds the tool calls since the last question that no span records, with their results.

    Calls in the answer itself belong to its step, unless the provider ran them: then the answer
    has their results.
    """
    answer = answer_call.output_messages
    hosted = any(message["role"] == "tool" for message in answer)
    messages = [*answer_call.input_messages, *(answer if hosted else ())]
    last = max((n for n, m in enumerate(messages) if m["role"] == "user"), default=-1)
    turn = messages[last + 1 :]
    results = {m.get("tool_call_id"): m["content"] for m in turn if m["role"] == "tool"}
    tools = [step for step in steps if step["kind"] == "tool"]
    recorded = [step[key] for step in tools for key in ("call_id", "name") if key in step]
    calls = (call for message in turn for call in message.get("tool_calls", ()))
    return [
        build_call_step(call, results.get(call.get("id")))
        for call in calls
        if call.get("id") not in recorded and call["function"]["name"] not in recorded
    ]


def build_call_step(call: ToolCall, result: str | None) -> Step:
    """Builds the step of a tool call that only messages record."""
    function = call["function"]
    step: Step = {
        "kind": "tool",
        "name": function["name"],
        "call_id": call.get("id"),
        "input": parse_inner(function["arguments"]),
        "output": result,
    }
    return {key: value for key, value in step.items() if value is not None}


def join_answer(facts: SpanFacts) -> str:
    """Joins the text that a model's call answered."""
    messages = facts.output_messages
    return "\n".join(m["content"] for m in messages if m["role"] != "tool" and m["content"])


def to_iso(nanoseconds: int | None) -> str | None:
    """Formats a time as ISO 8601; one beyond the calendar stays a number, to be refused later."""
    if nanoseconds is None:
        return None
    try:
        return (EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
    except OverflowError:
        return str(nanoseconds)[:60]


def measure_span(start: int | None, end: int | None) -> float | None:
    """Measures the milliseconds between two times; None where the end is before the start."""
    if not start or not end or end < start:
        return None
    return round((end - start) / 1e6, 3)
