"""One span as a step of its trace, and the tool calls that no span tells of.

A step is a dict: `kind` (as in `facts`), `name`, `span_id`, `parent_id`, `ts`; and where they are
known `input`, `output`, `documents` (`id`, `content`, `score`, `metadata`), `call_id`, `model`,
`provider`, `tokens_in`, `tokens_out`, `cost_usd`, `latency_ms`, `finish_reason`, `tool_calls`,
`messages` (of a model's call, those that the trace's own do not have), `error`, `attributes`
(unknown ones).

What a span says is `facts`' to know; what the trace is made of, `assembly`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from evals.records import Json
from evals.traces.files.strict_json import parse_inner as embedded
from evals.traces.files.strict_json import to_canonical_text
from evals.traces.messages import chat, payloads
from evals.traces.spans.facts import Facts
from evals.traces.spans.spans import Span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def build_step(
    span: Span, facts: Facts, is_answer: bool, is_root: bool, known: set[str], output: str
) -> dict[str, Json]:
    """One span as a step."""
    step: dict[str, Any] = {
        "kind": facts.kind,
        "name": step_name(span, facts),
        "span_id": span.span_id or None,
        "parent_id": span.parent_id or None,
        "ts": to_iso(span.start),
        "latency_ms": measure_latency(span),
        "call_id": facts.text("call_id"),
        "documents": facts.documents or None,
        "error": facts.error or None,
        "tokens_in": facts.tokens_in,
        "tokens_out": facts.tokens_out,
        "cost_usd": facts.cost,
        "attributes": None if is_root else facts.rest or None,
    }
    if facts.kind == "llm" or facts.asked or facts.answered:
        step |= describe_call(facts, is_answer, known, output)
    else:
        told = {"input": facts.said.get("input", facts.said.get("query"))}
        told["output"] = None if facts.documents else facts.said.get("output")
        step |= {
            key: payloads.parse_quoted(remove_inline_data(value)) for key, value in told.items()
        }
    return {key: value for key, value in step.items() if value is not None and value != ""}


def step_name(span: Span, facts: Facts) -> str:
    """Names a step; a tool by its own name, where it is known."""
    own = facts.text("tool_name") or (facts.text("agent") if facts.kind == "tool" else None)
    return own or span.name or facts.kind


def remove_inline_data(value: Json) -> Json:
    """A payload without inline data."""
    return chat.remove_data(value) if type(value) is str else value


def describe_call(facts: Facts, is_answer: bool, known: set[str], output: str) -> dict[str, Json]:
    """Describes a model's call for its step, without what the trace itself holds."""
    said = find_answer_text(facts)
    asked = zip(facts.asked, chat.as_json(facts.asked), strict=True)
    fresh = [] if is_answer else [m for m, plain in asked if to_canonical_text(plain) not in known]
    calls = [call for message in facts.answered for call in message.get("tool_calls", ())]
    thoughts = [message["reasoning"] for message in facts.answered if "reasoning" in message]
    return {
        "model": facts.text("model") or facts.text("model_requested"),
        "provider": facts.text("provider"),
        "finish_reason": facts.text("finish_reason"),
        "output": None if said == output else said,
        "tool_calls": chat.as_json(calls) or None,
        "reasoning": "\n".join(thoughts) or None,
        "messages": chat.as_json(fresh) or None,
    }


def find_unrecorded_calls(voice: Facts, steps: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Finds tool calls since the last question that no span records, with their results.

    Those of the answer itself are its step's; with results they were the provider's own.
    """
    hosted = any(message["role"] == "tool" for message in voice.answered)
    messages = [*voice.asked, *(voice.answered if hosted else ())]
    last = max((n for n, m in enumerate(messages) if m["role"] == "user"), default=-1)
    turn = messages[last + 1 :]
    given = {m.get("tool_call_id"): m["content"] for m in turn if m["role"] == "tool"}
    spans = [step for step in steps if step["kind"] == "tool"]
    done = [step[key] for step in spans for key in ("call_id", "name") if key in step]
    found: list[dict[str, Json]] = []
    for call in (call for message in turn for call in message.get("tool_calls", ())):
        name, call_id = call["function"]["name"], call.get("id")
        if call_id not in done and name not in done:
            step: dict[str, Json] = {"kind": "tool", "name": name, "call_id": call_id}
            step |= {"input": embedded(call["function"]["arguments"]), "output": given.get(call_id)}
            found.append({key: value for key, value in step.items() if value is not None})
    return found


def find_answer_text(facts: Facts) -> str:
    """What a model's call answered in words."""
    return "\n".join(m["content"] for m in facts.answered if m["role"] != "tool" and m["content"])


def to_iso(nanoseconds: int | None) -> str | None:
    """A moment; one that no calendar has is left to be refused as it is."""
    if nanoseconds is None:
        return None
    try:
        return (EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
    except OverflowError:
        return str(nanoseconds)[:60]


def measure_latency(span: Span) -> float | None:
    """Milliseconds a span took; None where it ends before it begins."""
    if not span.start or not span.end or span.end < span.start:
        return None
    return round((span.end - span.start) / 1e6, 3)
