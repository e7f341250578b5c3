"""Writes one exchange with a model in the format of each product, for the round trips.

The writers follow the products' documentation and use nothing of the importers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.evals.traces import span_logs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ToolCall(NamedTuple):
    """A tool that the model called, and its result."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: str


class Exchange(NamedTuple):
    """What an application knows of one request, which each product writes in its own format."""

    trace_id: str
    """32 hexadecimal digits."""
    app: str
    session: str
    user: str
    system: str
    question: str
    answer: str
    tool: ToolCall | None
    model_requested: str
    model: str
    """The model that answered."""
    tokens_in: int
    tokens_out: int
    cost: float
    start: datetime
    took_ms: int
    tags: tuple[str, ...]

    @property
    def end(self) -> datetime:
        """The end of the request."""
        return self.start + timedelta(milliseconds=self.took_ms)

    def chat(self) -> list[dict[str, Any]]:
        """The messages sent, as OpenAI's chat completions take them."""
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.question},
        ]
        if self.tool:
            function = {"name": self.tool.name, "arguments": json.dumps(self.tool.arguments)}
            call = {"id": self.tool.id, "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            back = {"role": "tool", "tool_call_id": self.tool.id, "content": self.tool.result}
            messages.append(back)
        return messages

    def reply(self) -> dict[str, Any]:
        """The message that answered."""
        return {"role": "assistant", "content": self.answer}


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


def envelope(exchange: Exchange, resource: Mapping[str, Any], spans: list[Any]) -> str:
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


def otlp(exchange: Exchange) -> str:
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
    return envelope(
        exchange, {"service.name": exchange.app}, [(0, "agent", root), (1, "chat", call), *spans]
    )


def openinference_calls(
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


def openinference(exchange: Exchange) -> str:
    """OpenInference's flat attributes in an OTLP envelope."""
    root, call, tool = openinference_calls(exchange)
    resource = {"openinference.project.name": exchange.app}
    spans = [
        (0, "agent", root),
        (1, "llm", call),
        *([(1, exchange.tool.name, tool)] if exchange.tool else []),
    ]
    return envelope(exchange, resource, spans)


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


def phoenix(exchange: Exchange) -> str:
    """Phoenix's spans, one a line, attributes nested."""
    root, call, tool = openinference_calls(exchange)
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


def langfuse_rows(exchange: Exchange) -> list[dict[str, Any]]:
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


def format_javascript_time(moment: datetime) -> str:
    """Formats a time as JavaScript does, with microseconds."""
    return moment.isoformat().replace("+00:00", "Z")


def langfuse(exchange: Exchange) -> str:
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
        "observations": langfuse_rows(exchange),
    }
    return json.dumps({"data": [trace]})


def langsmith(exchange: Exchange) -> str:
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


def format_naive_time(moment: datetime) -> str:
    """Formats a UTC time without its zone."""
    return moment.replace(tzinfo=None).isoformat()


def openai(exchange: Exchange) -> str:
    """A log of a chat completion's request and response."""
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out}
    request = {
        "model": exchange.model_requested,
        "messages": exchange.chat(),
        "user": exchange.user,
    }
    choice = {"index": 0, "message": exchange.reply(), "finish_reason": "stop"}
    response = {"id": "c", "object": "chat.completion", "created": 1, "model": exchange.model,
                "choices": [choice], "usage": usage}  # fmt: skip
    beside = {"trace_id": exchange.trace_id, "app": exchange.app, "session_id": exchange.session,
              "timestamp": format_javascript_time(exchange.start), "latency_ms": exchange.took_ms,
              "cost_usd": exchange.cost, "tags": list(exchange.tags)}  # fmt: skip
    return json.dumps({"request": request, "response": response, **beside})


def bedrock(exchange: Exchange) -> str:
    """An entry of Bedrock's model invocation log, of a call of Converse."""
    blocks: list[Any] = [{"role": "user", "content": [{"text": exchange.question}]}]
    if tool := exchange.tool:
        use = {"toolUseId": tool.id, "name": tool.name, "input": tool.arguments}
        result = {"toolUseId": tool.id, "content": [{"text": tool.result}]}
        blocks += [
            {"role": "assistant", "content": [{"toolUse": use}]},
            {"role": "user", "content": [{"toolResult": result}]},
        ]
    answer = {"role": "assistant", "content": [{"text": exchange.answer}]}
    counts = {"inputTokens": exchange.tokens_in, "outputTokens": exchange.tokens_out}
    output = {"output": {"message": answer}, "stopReason": "end_turn", "usage": counts,
              "metrics": {"latencyMs": exchange.took_ms}}  # fmt: skip
    request = {"messages": blocks, "system": [{"text": exchange.system}]}
    tags = {"app": exchange.app, "session_id": exchange.session, "user_id": exchange.user}
    entry = {
        "schemaType": "ModelInvocationLog",
        "timestamp": format_javascript_time(exchange.start),
        "requestId": exchange.trace_id,
        "operation": "Converse",
        "modelId": exchange.model_requested,
        "requestMetadata": tags,
        "input": {"inputBodyJson": request, "inputTokenCount": exchange.tokens_in},
        "output": {"outputBodyJson": output, "outputTokenCount": exchange.tokens_out},
    }
    return json.dumps(entry)


def vertex(exchange: Exchange) -> str:
    """A row of Vertex AI's request-response logging, of a call of Gemini."""
    turns: list[Any] = [{"role": "user", "parts": [{"text": exchange.question}]}]
    if tool := exchange.tool:
        call = {"id": tool.id, "name": tool.name, "args": tool.arguments}
        result = {"id": tool.id, "name": tool.name, "response": {"output": tool.result}}
        turns += [
            {"role": "model", "parts": [{"functionCall": call}]},
            {"role": "user", "parts": [{"functionResponse": result}]},
        ]
    labels = {"app": exchange.app, "session_id": exchange.session, "user_id": exchange.user}
    request = {"contents": turns, "systemInstruction": {"parts": [{"text": exchange.system}]},
             "labels": labels}  # fmt: skip
    content = {"role": "model", "parts": [{"text": exchange.answer}]}
    usage = {"promptTokenCount": exchange.tokens_in, "candidatesTokenCount": exchange.tokens_out}
    answer = {"candidates": [{"content": content, "finishReason": "STOP"}],
              "usageMetadata": usage, "modelVersion": exchange.model}  # fmt: skip
    row = {
        "logging_time": format_javascript_time(exchange.start),
        "request_id": exchange.trace_id,
        "model": f"publishers/google/models/{exchange.model_requested}",
        "api_method": "generateContent",
        "full_request": request,
        "full_response": json.dumps(answer),
        "metadata": {"request_latency": exchange.took_ms},
    }
    return json.dumps(row)


def complete_chat(exchange: Exchange) -> dict[str, Any]:
    """The response of a chat completion."""
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out}
    choice = {"index": 0, "message": exchange.reply(), "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": exchange.model,
            "choices": [choice], "usage": usage}  # fmt: skip


def helicone(exchange: Exchange) -> str:
    """A request of Helicone's API, with its bodies."""
    row = {
        "request_id": exchange.trace_id,
        "request_created_at": format_javascript_time(exchange.start),
        "request_body": {"model": exchange.model_requested, "messages": exchange.chat()},
        "request_user_id": exchange.user,
        "request_model": exchange.model_requested,
        "properties": {"App": exchange.app, "Helicone-Session-Id": exchange.session},
        "response_id": "r",
        "response_status": 200,
        "response_body": complete_chat(exchange),
        "delay_ms": exchange.took_ms,
        "costUSD": exchange.cost,
    }
    return json.dumps(row)


def litellm(exchange: Exchange) -> str:
    """LiteLLM's StandardLoggingPayload."""
    payload = {
        "id": exchange.trace_id,
        "trace_id": exchange.session,
        "call_type": "acompletion",
        "status": "success",
        "startTime": exchange.start.timestamp(),
        "response_time": exchange.took_ms / 1000,
        "model": exchange.model,
        "model_group": exchange.model_requested,
        "metadata": {"requester_metadata": {"app": exchange.app}},
        "response_cost": exchange.cost,
        "request_tags": list(exchange.tags),
        "end_user": exchange.user,
        "messages": exchange.chat(),
        "response": complete_chat(exchange),
        "prompt_tokens": exchange.tokens_in,
        "completion_tokens": exchange.tokens_out,
    }
    return json.dumps(payload)


class Product(NamedTuple):
    """A product's writer, and the fields that its format cannot hold."""

    write: Callable[[Exchange], str]
    file: str
    missing: frozenset[str] = frozenset()


PRODUCTS = {
    "otlp": Product(otlp, "spans.jsonl", frozenset({"cost_usd", "tags"})),
    "openinference": Product(openinference, "spans.jsonl"),
    "phoenix": Product(phoenix, "phoenix.jsonl"),
    "langfuse": Product(langfuse, "traces.json"),
    "langsmith": Product(langsmith, "runs.jsonl"),
    "openai": Product(openai, "log.jsonl", frozenset({"step"})),
    "bedrock": Product(bedrock, "calls.jsonl", frozenset({"step", "cost_usd", "tags", "model"})),
    "vertex": Product(vertex, "calls.jsonl", frozenset({"step", "cost_usd", "tags", "messages"})),
    "helicone": Product(helicone, "calls.jsonl", frozenset({"step", "tags"})),
    "litellm": Product(litellm, "calls.jsonl", frozenset({"step"})),
    "mlflow": Product(span_logs.mlflow, "mlflow.jsonl", frozenset({"app", "tags"})),
    "opik": Product(span_logs.opik, "opik.jsonl"),
    "weave": Product(span_logs.weave, "calls.jsonl", frozenset({"tags"})),
    "braintrust": Product(span_logs.braintrust, "logs.json", frozenset({"app", "model_requested"})),
    "openai_agents": Product(
        span_logs.openai_agents, "agents.jsonl", frozenset({"app", "model", "cost_usd", "tags"})
    ),
}
