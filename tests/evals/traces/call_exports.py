"""Writes one exchange as a log of calls: OpenAI, Bedrock, Vertex AI, Helicone, LiteLLM.

The writers follow the products' documentation and use nothing of the importers.
"""

from __future__ import annotations

import json
from typing import Any

from tests.evals.traces.exchange import Exchange, complete_chat, format_javascript_time


def write_openai(exchange: Exchange) -> str:
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


def write_bedrock(exchange: Exchange) -> str:
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


def write_vertex(exchange: Exchange) -> str:
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


def write_helicone(exchange: Exchange) -> str:
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


def write_litellm(exchange: Exchange) -> str:
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
