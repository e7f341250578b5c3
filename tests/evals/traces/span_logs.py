"""Writes one exchange with a model as systems that log spans export it, for the round trips.

`products` has the exchange and the other writers; nothing of the importers is used.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.evals.traces.exchange import Exchange


def encode_id(hexadecimal: str) -> str:
    """Encodes an id as MLflow does."""
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def count_nanoseconds(moment: datetime) -> int:
    """Counts nanoseconds since 1970."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000


def completion(exchange: Exchange) -> dict[str, Any]:
    """A chat completion of OpenAI's API."""
    choice = {"index": 0, "message": exchange.reply(), "finish_reason": "stop"}
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out}
    return {"id": "c", "model": exchange.model, "choices": [choice], "usage": usage}


def request(exchange: Exchange) -> dict[str, Any]:
    """The request that a chat completion answers."""
    return {"model": exchange.model_requested, "messages": exchange.chat()}


def mlflow_span(exchange: Exchange, n: int, name: str, **attributes: Any) -> dict[str, Any]:
    """A span of MLflow's third schema, its attributes as JSON text."""
    return {
        "trace_id": encode_id(exchange.trace_id),
        "span_id": encode_id(f"{n:016x}"),
        "parent_span_id": None if n == 1 else encode_id(f"{1:016x}"),
        "name": name,
        "start_time_unix_nano": count_nanoseconds(exchange.start),
        "end_time_unix_nano": count_nanoseconds(exchange.end),
        "events": [],
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {
            f"mlflow.{key}": json.dumps(value)
            for key, value in {"traceRequestId": f"tr-{exchange.trace_id}", **attributes}.items()
        },
        "links": [],
    }


def mlflow_trace(exchange: Exchange) -> dict[str, Any]:
    """A trace of MLflow's third schema."""
    usage = {"input_tokens": exchange.tokens_in, "output_tokens": exchange.tokens_out,
             "total_tokens": exchange.tokens_in + exchange.tokens_out}  # fmt: skip
    spans = [
        mlflow_span(exchange, 1, "agent", spanType="AGENT",
                    spanInputs={"question": exchange.question}, spanOutputs=exchange.answer),
        mlflow_span(exchange, 2, "call", **{
            "spanType": "CHAT_MODEL", "spanInputs": request(exchange),
            "spanOutputs": completion(exchange), "chat.tokenUsage": usage,
            "llm.model": exchange.model, "llm.cost": {"total_cost": exchange.cost}}),
    ]  # fmt: skip
    if tool := exchange.tool:
        back = {"spanInputs": tool.arguments, "spanOutputs": tool.result}
        spans.append(mlflow_span(exchange, 3, tool.name, spanType="TOOL", **back))
    metadata = {"mlflow.trace.session": exchange.session, "mlflow.trace.user": exchange.user}
    experiment = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "7"}}
    info = {"trace_id": f"tr-{exchange.trace_id}", "trace_location": experiment, "state": "OK",
            "request_time": exchange.start.isoformat(timespec="milliseconds"),
            "execution_duration_ms": exchange.took_ms, "trace_metadata": metadata,
            "tags": {"mlflow.traceName": "agent"}, "assessments": []}  # fmt: skip
    return {"info": info, "data": {"spans": spans}}


def mlflow(exchange: Exchange) -> str:
    """What `trace.to_json()` returns."""
    return json.dumps(mlflow_trace(exchange))


def opik_rows(exchange: Exchange) -> list[dict[str, Any]]:
    """A trace of Opik's API, then its spans."""
    times = {"start_time": exchange.start.isoformat(), "end_time": exchange.end.isoformat()}
    trace = {"id": exchange.trace_id, "project_id": "p", "name": "agent", **times,
             "input": {"question": exchange.question}, "output": {"output": exchange.answer},
             "tags": list(exchange.tags), "thread_id": exchange.session, "span_count": 2,
             "metadata": {"user_id": exchange.user}, "total_estimated_cost": exchange.cost,
             "last_updated_at": exchange.end.isoformat()}  # fmt: skip
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out,
             "total_tokens": exchange.tokens_in + exchange.tokens_out}  # fmt: skip
    base = {"trace_id": exchange.trace_id, "project_name": exchange.app, **times}
    rows = [
        trace,
        {**base, "id": "s-1", "parent_span_id": None, "name": "agent", "type": "general",
         "input": {"question": exchange.question}, "output": {"output": exchange.answer}},
        {**base, "id": "s-2", "parent_span_id": "s-1", "name": "call", "type": "llm",
         "input": request(exchange), "output": completion(exchange), "model": exchange.model,
         "provider": "openai", "usage": usage, "total_estimated_cost": exchange.cost},
    ]  # fmt: skip
    if tool := exchange.tool:
        rows.append(
            {**base, "id": "s-3", "parent_span_id": "s-1", "name": tool.name, "type": "tool",
             "input": tool.arguments, "output": {"output": tool.result}}
        )  # fmt: skip
    return rows


def opik(exchange: Exchange) -> str:
    """The rows of `search_traces` and `search_spans`, one a line."""
    return "\n".join(map(json.dumps, opik_rows(exchange)))


def weave_calls(exchange: Exchange) -> list[dict[str, Any]]:
    """Calls of Weave's API."""

    def call(n: int, op: str, **more: Any) -> dict[str, Any]:
        return {"id": f"c-{n}", "project_id": f"team/{exchange.app}", "display_name": None,
                "op_name": f"weave:///team/{exchange.app}/op/{op}:abc{n}",
                "trace_id": exchange.trace_id, "parent_id": None if n == 1 else "c-1",
                "thread_id": exchange.session, "started_at": exchange.start.isoformat(),
                "ended_at": exchange.end.isoformat(), "exception": None, **more}  # fmt: skip

    used = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out,
            "requests": 1, "total_tokens": exchange.tokens_in + exchange.tokens_out}  # fmt: skip
    costs = {"prompt_tokens_total_cost": exchange.cost, "completion_tokens_total_cost": 0.0}
    summary = {"usage": {exchange.model: used},
               "weave": {"status": "success", "costs": {exchange.model: costs}}}  # fmt: skip
    calls = [
        call(1, "agent", inputs={"question": exchange.question}, output=exchange.answer,
             attributes={"user_id": exchange.user}, summary=summary),
        call(2, "openai.chat.completions.create", inputs=request(exchange),
             output=completion(exchange), attributes={}, summary=summary),
    ]  # fmt: skip
    if tool := exchange.tool:
        kind = {"weave": {"kind": "tool"}}
        calls.append(call(3, tool.name, inputs=tool.arguments, output=tool.result, attributes=kind))
    return calls


def weave(exchange: Exchange) -> str:
    """The lines that Weave's pages export."""
    return "\n".join(map(json.dumps, weave_calls(exchange)))


def braintrust_rows(exchange: Exchange) -> list[dict[str, Any]]:
    """Rows of Braintrust's project logs."""
    times = {"start": exchange.start.timestamp(), "end": exchange.end.timestamp()}

    def row(n: int, name: str, kind: str, **more: Any) -> dict[str, Any]:
        root = exchange.trace_id
        return {"id": f"r-{n}", "span_id": root if n == 1 else f"s-{n}", "root_span_id": root,
                "span_parents": [] if n == 1 else [root], "created": exchange.start.isoformat(),
                "span_attributes": {"name": name, "type": kind}, "metrics": times,
                "project_id": "p", "log_id": "g", "error": None, "scores": {}, **more}  # fmt: skip

    used = {**times, "prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out,
            "tokens": exchange.tokens_in + exchange.tokens_out,
            "estimated_cost": exchange.cost}  # fmt: skip
    rows = [
        row(1, "agent", "task", input=exchange.question, output=exchange.answer,
            metadata={"session_id": exchange.session, "user_id": exchange.user},
            tags=list(exchange.tags)),
        row(2, "Chat Completion", "llm", input=exchange.chat(),
            output=completion(exchange)["choices"], metadata={"model": exchange.model},
            metrics=used),
    ]  # fmt: skip
    if tool := exchange.tool:
        rows.append(row(3, tool.name, "tool", input=tool.arguments, output=tool.result))
    return rows


def braintrust(exchange: Exchange) -> str:
    """The answer to a query of BTQL."""
    return json.dumps({"data": braintrust_rows(exchange), "cursor": None})


def openai_agents_items(exchange: Exchange) -> list[dict[str, Any]]:
    """Items of the Agents SDK: the trace, then its spans."""

    def span(n: int, **data: Any) -> dict[str, Any]:
        return {"object": "trace.span", "id": f"span_{n}", "trace_id": exchange.trace_id,
                "parent_id": None if n == 1 else "span_1",
                "started_at": exchange.start.isoformat(), "ended_at": exchange.end.isoformat(),
                "span_data": data, "error": None}  # fmt: skip

    usage = {"input_tokens": exchange.tokens_in, "output_tokens": exchange.tokens_out}
    items = [
        {"object": "trace", "id": exchange.trace_id, "workflow_name": "agent",
         "group_id": exchange.session, "metadata": {"user_id": exchange.user}},
        span(1, type="agent", name="agent", handoffs=[], tools=[], output_type="str"),
        span(2, type="generation", input=exchange.chat(), output=[exchange.reply()],
             model=exchange.model_requested, model_config={}, usage=usage),
    ]  # fmt: skip
    if tool := exchange.tool:
        back = {"input": json.dumps(tool.arguments), "output": tool.result}
        items.append(span(3, type="function", name=tool.name, mcp_data=None, **back))
    return items


def openai_agents(exchange: Exchange) -> str:
    """What a tracing processor writes, one item a line."""
    return "\n".join(map(json.dumps, openai_agents_items(exchange)))
