"""OpenInference's conventions, flat and nested: the field of each attribute.

Holds the tables, and reads its messages, documents and annotations; `facts` uses both.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.records import AnnotatorKind, Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.messages.plain_text import to_text

FIELDS: dict[str, tuple[str, ...]] = {
    "kind": ("openinference.span.kind",),
    "input": ("input.value",),
    "output": ("output.value",),
    "input_type": ("input.mime_type",),
    "output_type": ("output.mime_type",),
    "provider": ("llm.provider", "llm.system"),
    "model_requested": ("llm.request.model_name",),
    "model": ("llm.response.model_name", "llm.model_name"),
    "params_json": ("llm.invocation_parameters",),
    "finish_reason": ("llm.finish_reason", "llm.finish_reasons"),
    "tokens_in": ("llm.token_count.prompt",),
    "tokens_out": ("llm.token_count.completion",),
    "tokens_total": ("llm.token_count.total",),
    "cost": ("llm.cost.total",),
    "template": ("llm.prompt_template.template",),
    "prompt_name": ("prompt.name", "prompt.id"),
    "prompt_version": ("llm.prompt_template.version",),
    "session_id": ("session.id",),
    "user_id": ("user.id",),
    "tags": ("tag.tags",),
    "metadata_json": ("metadata",),
    "tool_name": ("tool.name",),
    "call_id": ("tool_call.id", "tool.id"),
    "agent": ("agent.name",),
    "input_messages": ("llm.input_messages", "llm.prompts"),
    "output_messages": ("llm.output_messages", "llm.choices"),
    "documents": ("retrieval.documents", "reranker.output_documents"),
    "versions.embedding": ("embedding.model_name",),
    "versions.reranker": ("reranker.model_name",),
    "query": ("reranker.query",),
    "annotations": ("annotations", "evaluations"),
    "outer_annotations": ("trace.annotations", "session.annotations"),
    "tools": ("llm.tools",),
}

LISTS = {
    "llm.input_messages": "input_messages",
    "llm.output_messages": "output_messages",
    "llm.prompts": "input_messages",
    "llm.choices": "output_messages",
    "retrieval.documents": "documents",
    "reranker.output_documents": "documents",
    "reranker.input_documents": "candidates",
    "llm.tools": "tools",
    "annotations": "annotations",
    "evaluations": "annotations",
    "trace.annotations": "annotations",
    "session.annotations": "annotations",
    "embedding.embeddings": "embeddings",
}

MAPS = {"metadata.": "metadata", "llm.prompt_template.variables.": "variables"}

IGNORED: tuple[str, ...] = ()

KINDS = {
    "retriever": "retrieval",
    "unknown": "span",
    **{word: word for word in ("llm", "embedding", "chain", "retrieval", "reranker", "tool")},
    **{word: word for word in ("agent", "guardrail", "evaluator", "prompt", "decision")},
}

WRAPPERS = (
    *("message", "document", "annotation", "evaluation", "tool_call", "message_content"),
    *("prompt", "completion", "tool", "embedding"),
)
"""Names that wrap an item: `{"message": {"role": ...}}`, or flat `{"message.role": ...}`."""


def unwrap_item(item: Json) -> Json:
    """Removes the wrapper's name from an item's keys, nested or flat."""
    if type(item) is not dict:
        return item
    for word in WRAPPERS:
        inner = item.get(word)
        if type(inner) is dict and len(item) == 1:
            return inner
        if type(inner) is dict and word in ("completion", "message"):
            return {**{key: value for key, value in item.items() if key != word}, **inner}
    unwrapped: dict[str, Json] = {}
    for key, value in item.items():
        head, _, tail = key.partition(".")
        unwrapped[tail if tail and head in WRAPPERS else key] = value
    return unwrapped


def is_completion(item: Json) -> bool:
    """Whether an item is one of `llm.choices`, each of which is an answer of its own."""
    return type(item) is dict and any(key.partition(".")[0] == "completion" for key in item)


def read_message(item: Json) -> Json:
    """Reads a message in the plain shape that `chat` reads."""
    message = unwrap_item(item)
    if type(message) is not dict:
        return {"role": "user", "content": message} if type(message) is str else message
    if "role" not in message and type(message.get("text")) is str:  # llm.prompts and llm.choices
        message = {**message, "content": message["text"]}
    calls: list[Json] = [read_call(call) for call in list_items(message.get("tool_calls"))]
    name = message.get("function_call_name")
    if type(name) is str:
        calls.append({"name": name, "arguments": message.get("function_call_arguments_json")})
    parts: list[Json] = [read_part(part) for part in list_items(message.get("contents"))]
    content = message.get("content")
    plain = {key: message[key] for key in MESSAGE_KEYS if key in message}
    content = parts if parts and not content else content
    return {**plain, "content": content, "tool_calls": calls}


MESSAGE_KEYS = ("role", "name", "tool_call_id", "reasoning", "finish_reason", "parts", "id")


def read_call(item: Json) -> dict[str, Json]:
    """Reads a tool call."""
    call = unwrap_item(item)
    if type(call) is not dict:
        return {}
    function = call.get("function")
    inner = function if type(function) is dict else call
    name = inner.get("name", call.get("function.name"))
    arguments = inner.get("arguments", call.get("function.arguments"))
    return {"id": call.get("id"), "name": name, "arguments": arguments}


def read_part(item: Json) -> Json:
    """Reads a part of a message; an image as its URL."""
    part = unwrap_item(item)
    if type(part) is not dict:
        return part
    image: Json = part.get("image", part.get("image.image", part.get("image.image.url")))
    for name in ("image", "url", "url"):
        image = image.get(name, image) if type(image) is dict else image
    return {"type": "image", "url": image} if type(image) is str else part


def read_document(item: Json) -> dict[str, Json]:
    """Reads a retrieved document: its id, content, score and metadata."""
    document = unwrap_item(item)
    if type(document) is not dict:
        return {"content": to_text(document)}
    metadata = document.get("metadata")
    content = document.get("content", document.get("text", document.get("page_content")))
    result: dict[str, Json] = {
        "id": document.get("id", document.get("document_id")),
        "content": None if content is None else to_text(content),
        "score": document.get("score"),
        "metadata": parse_wrapper(metadata) if type(metadata) is str else metadata,
    }
    return {key: value for key, value in result.items() if value is not None}


class Annotation(NamedTuple):
    """A score or a person's note on a span, from which a label is made."""

    dimension: str
    verdict: Json
    annotator: str
    kind: AnnotatorKind
    critique: str


ANNOTATORS: dict[str, AnnotatorKind] = {"HUMAN": "human", "CODE": "rule", "LLM": "judge"}


def read_annotation(item: Json) -> Annotation | None:
    """Reads an annotation; None where the item is none."""
    outer = unwrap_item(item)
    if type(outer) is not dict:
        return None
    name, inner = outer.get("name"), outer.get("result")
    if type(name) is not str:
        return None
    values = {**outer, **inner} if type(inner) is dict else outer
    kind = ANNOTATORS.get(str(values.get("annotator_kind", "")).upper(), "judge")
    annotator = values.get("identifier") or values.get("annotator")
    label, score = values.get("label"), values.get("score")
    return Annotation(
        dimension=name,
        verdict=score if label in (None, "") else label,
        annotator=to_text(annotator or (name if kind != "human" else "")),
        kind=kind,
        critique=to_text(values.get("explanation")),
    )


def list_items(value: Json) -> list[Json]:
    """Lists the items of a list or of its JSON text; empty for any other value."""
    value = parse_wrapper(value) if type(value) is str else value
    return value if type(value) is list else []
