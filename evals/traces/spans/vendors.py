"""Span attributes of single products: Traceloop, the Vercel AI SDK, Langfuse, LangSmith, pydantic.

Holds tables only; `facts` uses them.
"""

from __future__ import annotations

FIELD_TABLE = """
kind: traceloop.span.kind langfuse.observation.type langsmith.span.kind ai.operationId
input: traceloop.entity.input langfuse.observation.input langfuse.trace.input ai.toolCall.args
    ai.prompt ai.value tool_arguments input
output: traceloop.entity.output langfuse.observation.output langfuse.trace.output
    ai.toolCall.result ai.response.text ai.response.object tool_response final_result output
input_messages: ai.prompt.messages pydantic_ai.all_messages all_messages_events events
tool_calls: ai.response.toolCalls
provider: ai.model.provider
model_requested: ai.model.id
model: ai.response.model langfuse.observation.model.name
params_json: langfuse.observation.model.parameters
finish_reason: ai.response.finishReason
tokens_in: ai.usage.inputTokens ai.usage.promptTokens
tokens_out: ai.usage.outputTokens ai.usage.completionTokens
tokens_total: ai.usage.totalTokens
usage_json: langfuse.observation.usage_details
cost_json: langfuse.observation.cost_details
template: traceloop.prompt.template
prompt_hash: traceloop.prompt.version_hash
prompt_name: traceloop.prompt.key langfuse.observation.prompt.name
prompt_version: traceloop.prompt.version langfuse.observation.prompt.version
    traceloop.prompt.version_name
session_id: langfuse.session.id langsmith.trace.session_id langwatch.thread.id
    traceloop.association.properties.session_id ai.telemetry.metadata.sessionId
    traceloop.association.properties.thread_id langfuse.trace.session_id
user_id: langfuse.user.id enduser.id traceloop.association.properties.user_id
    ai.telemetry.metadata.userId langwatch.user.id langfuse.trace.user_id
tags: langfuse.trace.tags langfuse.tags langsmith.span.tags
metadata_json: langfuse.trace.metadata langfuse.observation.metadata
versions.release: langfuse.release langfuse.trace.release
versions.application: langfuse.version langfuse.trace.version
tool_name: ai.toolCall.name
call_id: ai.toolCall.id
agent: traceloop.entity.name ai.telemetry.functionId agent_name
error: langfuse.observation.status_message
tools: ai.prompt.tools
"""
"""The attributes of each field, the best first."""


def parse_table(text: str) -> dict[str, tuple[str, ...]]:
    """Parses a table of fields and their attributes, one field a paragraph."""
    fields: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        head, colon, keys = line.partition(":")
        name = head if colon else name
        fields[name] = (*fields.get(name, ()), *(keys if colon else line).split())
    fields.pop("", None)
    return fields


FIELDS = parse_table(FIELD_TABLE)

LISTS: dict[str, str] = {}

MAPS = {
    "ai.settings.": "params",
    "ai.telemetry.metadata.": "metadata",
    "traceloop.association.properties.": "metadata",
    "langfuse.trace.metadata.": "metadata",
    "langfuse.observation.metadata.": "metadata",
    "langsmith.metadata.": "metadata",
    "feature_flag.": "flags",
}

IGNORED = (
    "ai.embedding",
    "ai.embeddings",
    "operation.name",
    "logfire.json_schema",
)

KINDS = {
    **dict.fromkeys(("workflow", "task", "step", "parser", "event"), "chain"),
    "generation": "llm",
    **dict.fromkeys(("ai.generateText", "ai.streamText", "ai.generateObject"), "chain"),
    "ai.streamObject": "chain",
    "ai.toolCall": "tool",
    "ai.embed": "embedding",
    "ai.embedMany": "embedding",
}
ENDINGS = {".doGenerate": "llm", ".doStream": "llm", ".doEmbed": "embedding"}
"""The kind of a call of the Vercel AI SDK, by the ending of its name."""
