"""Writes one exchange as spans: OTLP, OpenInference, Phoenix, Langfuse, LangSmith.

The writers follow the products' documentation and use nothing of the importers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.evals.traces.exchange import (
    EPOCH,
    Exchange,
    format_javascript_time,
    format_naive_time,
)


def format_nanoseconds(moment: datetime) -> str:
    """Formats a time as OTLP writes it."""
    return str((moment - EPOCH) // timedelta(microseconds=1) * 1000)


def format_uuid(hexadecimal: str) -> str:
    """Formats 32 hexadecimal digits as a UUID."""
    h = hexadecimal
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def wrap_value(value: Any) -> dict[str, Any]:
    """Wraps a value by its type, as OTLP does."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [wrap_value(item) for item in value]}}
    return {"stringValue": value}


def list_attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lists attributes as OTLP does."""
    return [{"key": key, "value": wrap_value(value)} for key, value in attributes.items()]


def write_envelope(exchange: Exchange, resource: Mapping[str, Any], spans: list[Any]) -> str:
    """One line of the Collector's file exporter; spans are (parent, name, attributes)."""
    made = [
        {
            "traceId": exchange.trace_id,
            "spanId": f"{n:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": format_nanoseconds(exchange.start),
            "endTimeUnixNano": format_nanoseconds(exchange.end),
            "attributes": list_attributes(attributes),
        }
        for n, (parent, name, attributes) in enumerate(spans, 1)
    ]
    scope = {"scope": {"name": "test"}, "spans": made}
    group = {"resource": {"attributes": list_attributes(resource)}, "scopeSpans": [scope]}
    return json.dumps({"resourceSpans": [group]})


def write_otlp(exchange: Exchange) -> str:
    """OpenTelemetry's GenAI conventions since 1.37: messages of parts, on the spans."""
    chat: list[dict[str, Any]] = [
        {"role": "user", "parts": [{"type": "text", "content": exchange.question}]}
    ]
    spans: list[Any] = []
    if tool := exchange.tool:
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
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": exchange.answer}],
               "finish_reason": "stop"}]  # fmt: skip
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": exchange.model_requested,
        "gen_ai.response.model": exchange.model,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": exchange.tokens_in,
        "gen_ai.usage.output_tokens": exchange.tokens_out,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": exchange.system}]),
        "gen_ai.input.messages": json.dumps(chat),
        "gen_ai.output.messages": json.dumps(answer),
    }
    root = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": exchange.session,
        "user.id": exchange.user,
    }
    return write_envelope(
        exchange, {"service.name": exchange.app}, [(0, "agent", root), (1, "chat", call), *spans]
    )


def list_openinference_calls(
    exchange: Exchange,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Attributes of the agent's span, of the model's and of the tool's, flat."""
    root = {
        "openinference.span.kind": "AGENT",
        "input.value": exchange.question,
        "input.mime_type": "text/plain",
        "output.value": exchange.answer,
        "output.mime_type": "text/plain",
        "session.id": exchange.session,
        "user.id": exchange.user,
        "tag.tags": list(exchange.tags),
    }
    call: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.model_name": exchange.model,
        "llm.invocation_parameters": json.dumps({"model": exchange.model_requested}),
        "llm.token_count.prompt": exchange.tokens_in,
        "llm.token_count.completion": exchange.tokens_out,
        "llm.cost.total": exchange.cost,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": exchange.answer,
    }
    for n, message in enumerate(exchange.chat()):
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
    if exchange.tool:
        tool = {
            "openinference.span.kind": "TOOL",
            "tool.name": exchange.tool.name,
            "tool.id": exchange.tool.id,
            "input.value": json.dumps(exchange.tool.arguments),
            "input.mime_type": "application/json",
            "output.value": exchange.tool.result,
        }
    return root, call, tool


def write_openinference(exchange: Exchange) -> str:
    """OpenInference's flat attributes in an OTLP envelope."""
    root, call, tool = list_openinference_calls(exchange)
    resource = {"openinference.project.name": exchange.app}
    spans = [
        (0, "agent", root),
        (1, "llm", call),
        *([(1, exchange.tool.name, tool)] if exchange.tool else []),
    ]
    return write_envelope(exchange, resource, spans)


def nest_attributes(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nests dotted keys as objects and numbered keys as lists, as Phoenix exports attributes."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        place = nested
        *path, last = key.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return {key: convert_lists(value) for key, value in nested.items()}


def convert_lists(value: Any) -> Any:
    """Converts objects whose keys are all numbers to lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: convert_lists(item) for key, item in value.items()}
    return list(inner.values()) if inner and all(key.isdecimal() for key in inner) else inner


def write_phoenix(exchange: Exchange) -> str:
    """Phoenix's spans, one a line, attributes nested."""
    root, call, tool = list_openinference_calls(exchange)
    spans = [
        (0, "agent", root),
        (1, "llm", call),
        *([(1, exchange.tool.name, tool)] if exchange.tool else []),
    ]
    lines = []
    for n, (parent, name, flat) in enumerate(spans, 1):
        attributes = nest_attributes(flat)
        attributes.setdefault("openinference", {})["project"] = {"name": exchange.app}
        kind = attributes["openinference"].pop("span")["kind"]
        lines.append(
            {
                "name": name,
                "context": {"trace_id": exchange.trace_id, "span_id": f"{n:016x}"},
                "span_kind": kind,
                "parent_id": f"{parent:016x}" if parent else None,
                "start_time": exchange.start.isoformat(),
                "end_time": exchange.end.isoformat(),
                "status_code": "OK",
                "status_message": "",
                "attributes": attributes,
                "events": [],
            }
        )
    return "\n".join(map(json.dumps, lines))


def list_langfuse_rows(exchange: Exchange) -> list[dict[str, Any]]:
    """Observations under the API's names."""
    times = {
        "startTime": format_javascript_time(exchange.start),
        "endTime": format_javascript_time(exchange.end),
    }
    base = {"traceId": exchange.trace_id, "level": "DEFAULT", "statusMessage": None, **times}
    root = {"id": "o-1", "type": "AGENT", "name": "agent", "parentObservationId": None}
    call = {
        "id": "o-2",
        "type": "GENERATION",
        "name": "call",
        "parentObservationId": "o-1",
        "model": exchange.model,
        "modelParameters": {"model": exchange.model_requested},
        "usageDetails": {"input": exchange.tokens_in, "output": exchange.tokens_out},
        "costDetails": {"total": exchange.cost},
        "input": exchange.chat(),
        "output": exchange.reply(),
    }
    rows = [
        {**base, **root, "input": exchange.question, "output": exchange.answer},
        {**base, **call},
    ]
    if exchange.tool:
        tool = {
            "id": "o-3",
            "type": "TOOL",
            "name": exchange.tool.name,
            "parentObservationId": "o-1",
        }
        rows.append(
            {**base, **tool, "input": exchange.tool.arguments, "output": exchange.tool.result}
        )
    return rows


def write_langfuse(exchange: Exchange) -> str:
    """A trace of Langfuse's API with its observations."""
    resource = {"service.name": exchange.app}
    trace = {
        "id": exchange.trace_id,
        "name": "agent",
        "timestamp": format_javascript_time(exchange.start),
        "input": exchange.question,
        "output": exchange.answer,
        "sessionId": exchange.session,
        "userId": exchange.user,
        "tags": list(exchange.tags),
        "metadata": {"resourceAttributes": resource},
        "observations": list_langfuse_rows(exchange),
    }
    return json.dumps({"data": [trace]})


def write_langsmith(exchange: Exchange) -> str:
    """LangSmith's runs: a chain, its model's call and its tool's."""
    trace = format_uuid(exchange.trace_id)
    times = {
        "start_time": format_naive_time(exchange.start),
        "end_time": format_naive_time(exchange.end),
    }

    def run(n: int, name: str, kind: str, **more: Any) -> dict[str, Any]:
        own = trace if n == 1 else format_uuid(f"{n:032x}")
        moment = exchange.start.strftime("%Y%m%dT%H%M%S%fZ")
        first = f"{moment}{trace}"
        order = first if n == 1 else f"{first}.{moment}{own}"
        parent = None if n == 1 else trace
        about = {"id": own, "trace_id": trace, "parent_run_id": parent, "dotted_order": order}
        return {**about, "name": name, "run_type": kind, "session_name": exchange.app, **times,
                "error": None, "status": "success", **more}  # fmt: skip

    metadata = {"session_id": exchange.session, "user_id": exchange.user}
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out}
    rows = [
        run(1, "agent", "chain", inputs={"input": exchange.question},
            outputs={"output": exchange.answer},
            tags=list(exchange.tags), extra={"metadata": metadata}),
        run(2, "ChatOpenAI", "llm", inputs={"messages": exchange.chat()},
            outputs={"model": exchange.model, "choices": [{"message": exchange.reply()}]},
            extra={"invocation_params": {"model": exchange.model_requested}},
            total_cost=exchange.cost, **usage),
    ]  # fmt: skip
    if exchange.tool:
        back = {"inputs": exchange.tool.arguments, "outputs": {"output": exchange.tool.result}}
        rows.append(run(3, exchange.tool.name, "tool", **back))
    return "\n".join(map(json.dumps, rows))
