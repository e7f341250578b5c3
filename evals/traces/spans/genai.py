"""OpenTelemetry's GenAI conventions, all four generations: the field of each attribute.

G0 is indexed (`gen_ai.prompt.0.role`), G1 writes events, G2 and G3 hold messages as JSON. Holds
the tables, and reads the events; `facts` uses both. `chat` reads messages.
"""

from __future__ import annotations

from collections.abc import Iterable

from evals.records import Json
from evals.traces.messages import chat
from evals.traces.spans.spans import Event


def name_counts(*counts: str) -> tuple[str, ...]:
    """Names the attributes of a count under Gemini's own names."""
    prefixes = ("gen_ai.usage.", "llm.usage.", "llm.token_count.")
    return tuple(f"{prefix}{count}" for prefix in prefixes for count in counts)


FIELDS: dict[str, tuple[str, ...]] = {
    "kind": ("gen_ai.operation.name", "llm.request.type"),
    "input_messages": ("gen_ai.input.messages", "gen_ai.prompt"),
    "output_messages": ("gen_ai.output.messages", "gen_ai.completion"),
    "system": ("gen_ai.system_instructions",),
    "provider": ("gen_ai.provider.name", "gen_ai.system", "llm.vendor"),
    "model_requested": ("gen_ai.request.model", "llm.request.model"),
    "model": ("gen_ai.response.model", "llm.response.model"),
    "finish_reason": ("gen_ai.response.finish_reasons", "llm.response.finish_reason"),
    "tokens_in": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        *name_counts("promptTokenCount", "prompt_token_count"),
    ),
    "tokens_out": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
    ),
    "tokens_written": name_counts("candidatesTokenCount", "candidates_token_count"),
    "tokens_thought": name_counts("thoughtsTokenCount", "thoughts_token_count"),
    "tokens_total": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        *name_counts("totalTokenCount", "total_token_count"),
    ),
    "cost": ("gen_ai.usage.cost", "gen_ai.usage.total_cost"),
    "prompt_name": ("gen_ai.prompt.name",),
    "prompt_version": ("gen_ai.prompt.version",),
    "session_id": ("gen_ai.conversation.id",),
    "tools": ("gen_ai.tool.definitions",),
    "tool_name": ("gen_ai.tool.name",),
    "call_id": ("gen_ai.tool.call.id",),
    "input": ("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text"),
    "output": ("gen_ai.tool.call.result",),
    "documents": ("gen_ai.retrieval.documents",),
    "agent": ("gen_ai.agent.name", "gen_ai.workflow.name"),
    "versions.agent": ("gen_ai.agent.version",),
    "versions.data_source": ("gen_ai.data_source.id",),
    "versions.system_fingerprint": (
        "gen_ai.openai.response.system_fingerprint",
        "openai.response.system_fingerprint",
    ),
    "error": ("error.type",),
}
"""The attributes of each field, the best first."""

LISTS = {
    "gen_ai.prompt": "input_messages",
    "gen_ai.completion": "output_messages",
    "llm.prompts": "input_messages",
    "llm.completions": "output_messages",
    "llm.request.functions": "tools",
}
"""Attributes written one item a key: `gen_ai.prompt.0.role`."""

MAPS = {"gen_ai.request.": "params", "gen_ai.openai.request.": "params"}
"""Attributes whose names end in a key of their own."""

IGNORED = ("gen_ai.client.id",)

KINDS = {
    **dict.fromkeys(("chat", "generate_content", "text_completion", "completion"), "llm"),
    **dict.fromkeys(("llm_call", "message", "response"), "llm"),
    "embeddings": "embedding",
    "embedding": "embedding",
    "rerank": "reranker",
    "retrieval": "retrieval",
    **dict.fromkeys(("create_agent", "invoke_agent"), "agent"),
    "execute_tool": "tool",
    **dict.fromkeys(("invoke_workflow", "plan"), "chain"),
}
"""The kind of span for each name of an operation."""

MESSAGE_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
DETAILS = "gen_ai.client.inference.operation.details"
EVALUATION = "gen_ai.evaluation.result"
EVENTS = (
    *MESSAGE_EVENTS,
    "gen_ai.choice",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
    DETAILS,
)


def read_events(events: Iterable[Event]) -> dict[str, Json]:
    """Reads the events of a span as attributes of the span."""
    inputs: list[Json] = []
    outputs: list[Json] = []
    attributes: dict[str, Json] = {}
    for event in events:
        body = event.body if type(event.body) is dict else event.attributes
        if event.name in MESSAGE_EVENTS:
            inputs.append(read_message(body, MESSAGE_EVENTS[event.name]))
        elif event.name == "gen_ai.choice":
            outputs.append(read_choice(body))
        elif event.name == DETAILS:
            attributes |= event.attributes
        elif event.name.startswith("gen_ai.content."):
            attributes |= {k: v for k, v in event.attributes.items() if k in CONTENT_KEYS}
        else:
            attributes |= read_flag(event)
    if inputs:
        attributes["gen_ai.input.messages"] = inputs
    if outputs:
        attributes["gen_ai.output.messages"] = outputs
    return attributes


CONTENT_KEYS = ("gen_ai.prompt", "gen_ai.completion")


def read_message(body: dict[str, Json], role: str) -> dict[str, Json]:
    """Reads a message of the chat from an event's body."""
    keys = ("content", "tool_calls", "name", "id", "parts")
    return {"role": body.get("role") or role, **{key: body[key] for key in keys if key in body}}


def read_choice(body: dict[str, Json]) -> dict[str, Json]:
    """Reads one of the model's answers from an event's body."""
    message = body.get("message")
    if type(message) is str and (messages := chat.read_messages(message)):
        message = chat.as_json(messages)[0]
    inner: dict[str, Json] = (
        message if type(message) is dict else {"content": message or body.get("content")}
    )
    calls = {"tool_calls": body["tool_calls"]} if "tool_calls" in body else {}
    reason = {key: body[key] for key in ("finish_reason", "index") if key in body}
    return {**read_message(inner, "assistant"), **calls, **reason}


def read_flag(event: Event) -> dict[str, Json]:
    """Reads an evaluated feature flag, which counts as a version that the request ran with."""
    attributes = event.attributes
    key = attributes.get("feature_flag.key")
    if type(key) is not str or not event.name.startswith("feature_flag"):
        return {}
    names = ("feature_flag.result.variant", "feature_flag.variant", "feature_flag.result.value")
    value = next((attributes[name] for name in names if name in attributes), None)
    return {} if value is None else {f"feature_flag.{key}": value}
