"""One exchange with a model as each product writes it down: what the round trips import again.

Small writers after the products' documented shapes, each of its own; nothing of the importers is
used here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ToolCall(NamedTuple):
    """A tool the model called, and what came back."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: str


class Exchange(NamedTuple):
    """What an application knows of one request; each product says it in its own way."""

    trace_id: str
    """32 hexadecimal digits."""
    app: str
    session: str
    user: str
    system: str
    question: str
    answer: str
    tool: ToolCall | None
    asked: str
    """The model asked for."""
    answered: str
    """The model that answered."""
    tokens_in: int
    tokens_out: int
    cost: float
    start: datetime
    took_ms: int
    tags: tuple[str, ...]

    @property
    def end(self) -> datetime:
        """When it ended."""
        return self.start + timedelta(milliseconds=self.took_ms)

    def chat(self) -> list[dict[str, Any]]:
        """The messages sent, as OpenAI's chat completions take them."""
        found: list[dict[str, Any]] = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.question},
        ]
        if self.tool:
            function = {"name": self.tool.name, "arguments": json.dumps(self.tool.arguments)}
            call = {"id": self.tool.id, "type": "function", "function": function}
            found.append({"role": "assistant", "content": None, "tool_calls": [call]})
            back = {"role": "tool", "tool_call_id": self.tool.id, "content": self.tool.result}
            found.append(back)
        return found

    def reply(self) -> dict[str, Any]:
        """The message that answered."""
        return {"role": "assistant", "content": self.answer}


def nanoseconds(moment: datetime) -> str:
    """As OTLP spells a moment."""
    return str((moment - EPOCH) // timedelta(microseconds=1) * 1000)


def uuid(hexadecimal: str) -> str:
    """32 digits as a UUID is written."""
    h = hexadecimal
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def wrapped(value: Any) -> dict[str, Any]:
    """A value in OTLP's wrapper of one type."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [wrapped(item) for item in value]}}
    return {"stringValue": value}


def listed(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP lists them."""
    return [{"key": key, "value": wrapped(value)} for key, value in attributes.items()]


def envelope(said: Exchange, resource: Mapping[str, Any], spans: list[Any]) -> str:
    """One line of the Collector's file exporter; spans are (parent, name, attributes)."""
    made = [
        {
            "traceId": said.trace_id,
            "spanId": f"{n:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": nanoseconds(said.start),
            "endTimeUnixNano": nanoseconds(said.end),
            "attributes": listed(attributes),
        }
        for n, (parent, name, attributes) in enumerate(spans, 1)
    ]
    scope = {"scope": {"name": "test"}, "spans": made}
    group = {"resource": {"attributes": listed(resource)}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [group]})


def otlp(said: Exchange) -> str:
    """OpenTelemetry's GenAI conventions since 1.37: messages of parts, on the spans."""
    chat: list[dict[str, Any]] = [
        {"role": "user", "parts": [{"type": "text", "content": said.question}]}
    ]
    spans: list[Any] = []
    if tool := said.tool:
        call = {"type": "tool_call", "id": tool.id, "name": tool.name, "arguments": tool.arguments}
        back = {"type": "tool_call_response", "id": tool.id, "response": tool.result}
        chat += [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [back]}]
        doing = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.name,
            "gen_ai.tool.call.id": tool.id,
            "gen_ai.tool.call.arguments": json.dumps(tool.arguments),
            "gen_ai.tool.call.result": tool.result,
        }
        spans = [(1, f"execute_tool {tool.name}", doing)]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": said.answer}],
               "finish_reason": "stop"}]  # fmt: skip
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": said.asked,
        "gen_ai.response.model": said.answered,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": said.tokens_in,
        "gen_ai.usage.output_tokens": said.tokens_out,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": said.system}]),
        "gen_ai.input.messages": json.dumps(chat),
        "gen_ai.output.messages": json.dumps(answer),
    }
    root = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": said.session,
        "user.id": said.user,
    }
    return envelope(
        said, {"service.name": said.app}, [(0, "agent", root), (1, "chat", call), *spans]
    )


def openinference_calls(said: Exchange) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Attributes of the agent's span, of the model's and of the tool's, flat."""
    root = {
        "openinference.span.kind": "AGENT",
        "input.value": said.question,
        "input.mime_type": "text/plain",
        "output.value": said.answer,
        "output.mime_type": "text/plain",
        "session.id": said.session,
        "user.id": said.user,
        "tag.tags": list(said.tags),
    }
    call: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.model_name": said.answered,
        "llm.invocation_parameters": json.dumps({"model": said.asked}),
        "llm.token_count.prompt": said.tokens_in,
        "llm.token_count.completion": said.tokens_out,
        "llm.cost.total": said.cost,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": said.answer,
    }
    for n, message in enumerate(said.chat()):
        at = f"llm.input_messages.{n}.message"
        call[f"{at}.role"] = message["role"]
        if message["content"] is not None:
            call[f"{at}.content"] = message["content"]
        if "tool_call_id" in message:
            call[f"{at}.tool_call_id"] = message["tool_call_id"]
        for k, one in enumerate(message.get("tool_calls", ())):
            inner = f"{at}.tool_calls.{k}.tool_call"
            call[f"{inner}.id"] = one["id"]
            call[f"{inner}.function.name"] = one["function"]["name"]
            call[f"{inner}.function.arguments"] = one["function"]["arguments"]
    tool: dict[str, Any] = {}
    if said.tool:
        tool = {
            "openinference.span.kind": "TOOL",
            "tool.name": said.tool.name,
            "tool.id": said.tool.id,
            "input.value": json.dumps(said.tool.arguments),
            "input.mime_type": "application/json",
            "output.value": said.tool.result,
        }
    return root, call, tool


def openinference(said: Exchange) -> str:
    """OpenInference's flat attributes in an OTLP envelope."""
    root, call, tool = openinference_calls(said)
    resource = {"openinference.project.name": said.app}
    spans = [
        (0, "agent", root),
        (1, "llm", call),
        *([(1, said.tool.name, tool)] if said.tool else []),
    ]
    return envelope(said, resource, spans)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as objects, numbers in them as lists: how Phoenix exports attributes."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        place = found
        *path, last = key.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return {key: lists(value) for key, value in found.items()}


def lists(value: Any) -> Any:
    """Objects whose keys all are numbers, as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: lists(item) for key, item in value.items()}
    return list(inner.values()) if inner and all(key.isdecimal() for key in inner) else inner


def phoenix(said: Exchange) -> str:
    """Phoenix's spans, one a line, attributes nested."""
    root, call, tool = openinference_calls(said)
    spans = [
        (0, "agent", root),
        (1, "llm", call),
        *([(1, said.tool.name, tool)] if said.tool else []),
    ]
    lines = []
    for n, (parent, name, flat) in enumerate(spans, 1):
        attributes = nested(flat)
        attributes.setdefault("openinference", {})["project"] = {"name": said.app}
        kind = attributes["openinference"].pop("span")["kind"]
        lines.append(
            {
                "name": name,
                "context": {"trace_id": said.trace_id, "span_id": f"{n:016x}"},
                "span_kind": kind,
                "parent_id": f"{parent:016x}" if parent else None,
                "start_time": said.start.isoformat(),
                "end_time": said.end.isoformat(),
                "status_code": "OK",
                "status_message": "",
                "attributes": attributes,
                "events": [],
            }
        )
    return "\n".join(map(json.dumps, lines))


def langfuse_rows(said: Exchange) -> list[dict[str, Any]]:
    """Observations under the API's names."""
    times = {"startTime": stamp(said.start), "endTime": stamp(said.end)}
    base = {"traceId": said.trace_id, "level": "DEFAULT", "statusMessage": None, **times}
    root = {"id": "o-1", "type": "AGENT", "name": "agent", "parentObservationId": None}
    call = {
        "id": "o-2",
        "type": "GENERATION",
        "name": "call",
        "parentObservationId": "o-1",
        "model": said.answered,
        "modelParameters": {"model": said.asked},
        "usageDetails": {"input": said.tokens_in, "output": said.tokens_out},
        "costDetails": {"total": said.cost},
        "input": said.chat(),
        "output": said.reply(),
    }
    rows = [{**base, **root, "input": said.question, "output": said.answer}, {**base, **call}]
    if said.tool:
        tool = {"id": "o-3", "type": "TOOL", "name": said.tool.name, "parentObservationId": "o-1"}
        rows.append({**base, **tool, "input": said.tool.arguments, "output": said.tool.result})
    return rows


def stamp(moment: datetime) -> str:
    """As JavaScript spells a moment, with all its digits."""
    return moment.isoformat().replace("+00:00", "Z")


def langfuse(said: Exchange) -> str:
    """A trace of Langfuse's API with its observations."""
    resource = {"service.name": said.app}
    trace = {
        "id": said.trace_id,
        "name": "agent",
        "timestamp": stamp(said.start),
        "input": said.question,
        "output": said.answer,
        "sessionId": said.session,
        "userId": said.user,
        "tags": list(said.tags),
        "metadata": {"resourceAttributes": resource},
        "observations": langfuse_rows(said),
    }
    return json.dumps({"data": [trace]})


def langsmith(said: Exchange) -> str:
    """LangSmith's runs: a chain, its model's call and its tool's."""
    trace = uuid(said.trace_id)
    times = {"start_time": plain(said.start), "end_time": plain(said.end)}

    def run(n: int, name: str, kind: str, **more: Any) -> dict[str, Any]:
        own = trace if n == 1 else uuid(f"{n:032x}")
        moment = said.start.strftime("%Y%m%dT%H%M%S%fZ")
        first = f"{moment}{trace}"
        order = first if n == 1 else f"{first}.{moment}{own}"
        parent = None if n == 1 else trace
        about = {"id": own, "trace_id": trace, "parent_run_id": parent, "dotted_order": order}
        return {**about, "name": name, "run_type": kind, "session_name": said.app, **times,
                "error": None, "status": "success", **more}  # fmt: skip

    metadata = {"session_id": said.session, "user_id": said.user}
    usage = {"prompt_tokens": said.tokens_in, "completion_tokens": said.tokens_out}
    rows = [
        run(1, "agent", "chain", inputs={"input": said.question}, outputs={"output": said.answer},
            tags=list(said.tags), extra={"metadata": metadata}),
        run(2, "ChatOpenAI", "llm", inputs={"messages": said.chat()},
            outputs={"model": said.answered, "choices": [{"message": said.reply()}]},
            extra={"invocation_params": {"model": said.asked}}, total_cost=said.cost, **usage),
    ]  # fmt: skip
    if said.tool:
        back = {"inputs": said.tool.arguments, "outputs": {"output": said.tool.result}}
        rows.append(run(3, said.tool.name, "tool", **back))
    return "\n".join(map(json.dumps, rows))


def plain(moment: datetime) -> str:
    """A moment in UTC that does not say so."""
    return moment.replace(tzinfo=None).isoformat()


def openai(said: Exchange) -> str:
    """A log of a chat completion's request and response."""
    usage = {"prompt_tokens": said.tokens_in, "completion_tokens": said.tokens_out}
    request = {"model": said.asked, "messages": said.chat(), "user": said.user}
    choice = {"index": 0, "message": said.reply(), "finish_reason": "stop"}
    response = {"id": "c", "object": "chat.completion", "created": 1, "model": said.answered,
                "choices": [choice], "usage": usage}  # fmt: skip
    beside = {"trace_id": said.trace_id, "app": said.app, "session_id": said.session,
              "timestamp": stamp(said.start), "latency_ms": said.took_ms,
              "cost_usd": said.cost, "tags": list(said.tags)}  # fmt: skip
    return json.dumps({"request": request, "response": response, **beside})


class Product(NamedTuple):
    """A product, and which of an exchange's facts its shape has no place for."""

    write: Callable[[Exchange], str]
    file: str
    silent: frozenset[str] = frozenset()


PRODUCTS = {
    "otlp": Product(otlp, "spans.jsonl", frozenset({"cost_usd", "tags"})),
    "openinference": Product(openinference, "spans.jsonl"),
    "phoenix": Product(phoenix, "phoenix.jsonl"),
    "langfuse": Product(langfuse, "traces.json"),
    "langsmith": Product(langsmith, "runs.jsonl"),
    "openai": Product(openai, "log.jsonl", frozenset({"step"})),
}
