"""OpenInference's conventions, flat and nested: which attribute says what.

Tables, and the shapes of its messages, documents and annotations; `facts` reads them.
"""

from __future__ import annotations

from typing import Any

from evals.records import AnnotatorKind, Json
from evals.traces.files.strict_json import parse_inner as embedded
from evals.traces.messages import chat

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
    "asked": ("llm.input_messages", "llm.prompts"),
    "answered": ("llm.output_messages", "llm.choices"),
    "documents": ("retrieval.documents", "reranker.output_documents"),
    "versions.embedding": ("embedding.model_name",),
    "versions.reranker": ("reranker.model_name",),
    "query": ("reranker.query",),
    "annotations": ("annotations", "evaluations"),
    "annotations_too": ("trace.annotations", "session.annotations"),
    "tools": ("llm.tools",),
}

LISTS = {
    "llm.input_messages": "asked",
    "llm.output_messages": "answered",
    "llm.prompts": "asked",
    "llm.choices": "answered",
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

IGNORED = ("llm.token_count.total",)

KINDS = {
    "retriever": "retrieval",
    "unknown": "span",
    **{word: word for word in ("llm", "embedding", "chain", "retrieval", "reranker", "tool")},
    **{word: word for word in ("agent", "guardrail", "evaluator", "prompt", "decision")},
}

WRAPPERS = ("message", "document", "annotation", "evaluation", "tool_call", "message_content")
WRAPPERS += ("prompt", "completion", "tool", "embedding")


def unwrap_item(item: Json) -> Json:
    """An item without the names its keys begin with: `message.role` and `message: {role}` alike."""
    if type(item) is not dict:
        return item
    for word in WRAPPERS:
        inner = item.get(word)
        if type(inner) is dict and len(item) == 1:
            return inner
    found: dict[str, Any] = {}
    for key, value in item.items():
        head, _, tail = key.partition(".")
        found[tail if tail and head in WRAPPERS else key] = value
    return found


def read_message(item: Json) -> Json:
    """One of its messages in the plain shape that `chat` reads."""
    said = unwrap_item(item)
    if type(said) is not dict:
        return {"role": "user", "content": said} if type(said) is str else said
    if "role" not in said and type(said.get("text")) is str:  # llm.prompts and llm.choices
        said = {**said, "content": said["text"]}
    calls: list[Json] = [read_call(one) for one in list_items(said.get("tool_calls"))]
    name = said.get("function_call_name")
    if type(name) is str:
        calls.append({"name": name, "arguments": said.get("function_call_arguments_json")})
    parts: list[Json] = [read_part(one) for one in list_items(said.get("contents"))]
    content = said.get("content")
    keys = ("role", "name", "tool_call_id", "reasoning", "finish_reason", "parts", "id")
    found = {key: said[key] for key in keys if key in said}
    content = parts if parts and not content else content
    return {**found, "content": content, "tool_calls": calls}


def read_call(item: Json) -> dict[str, Json]:
    """A call of a tool."""
    said = unwrap_item(item)
    if type(said) is not dict:
        return {}
    function = said.get("function")
    inner = function if type(function) is dict else said
    name = inner.get("name", said.get("function.name"))
    arguments = inner.get("arguments", said.get("function.arguments"))
    return {"id": said.get("id"), "name": name, "arguments": arguments}


def read_part(item: Json) -> Json:
    """A part of a message; of a picture, where it is."""
    said = unwrap_item(item)
    if type(said) is not dict:
        return said
    place: Json = said.get("image", said.get("image.image", said.get("image.image.url")))
    for name in ("image", "url", "url"):
        place = place.get(name, place) if type(place) is dict else place
    return {"type": "image", "url": place} if type(place) is str else said


def read_document(item: Json) -> dict[str, Json]:
    """Reads a retrieved document: its id, content, score and metadata."""
    said = unwrap_item(item)
    if type(said) is not dict:
        return {"content": chat.to_text(said)}
    meta = said.get("metadata")
    content = said.get("content", said.get("text", said.get("page_content")))
    found = {
        "id": said.get("id", said.get("document_id")),
        "content": None if content is None else chat.to_text(content),
        "score": said.get("score"),
        "metadata": embedded(meta) if type(meta) is str else meta,
    }
    return {key: value for key, value in found.items() if value is not None}


ANNOTATORS: dict[str, AnnotatorKind] = {"HUMAN": "human", "CODE": "rule", "LLM": "judge"}


def read_annotation(item: Json) -> dict[str, Any] | None:
    """A score or a person's word, as the arguments of a label; None where it is none."""
    said = unwrap_item(item)
    if type(said) is not dict or type(said.get("name")) is not str:
        return None
    inner = said.get("result")
    told = {**said, **inner} if type(inner) is dict else said
    kind = ANNOTATORS.get(str(told.get("annotator_kind", "")).upper(), "judge")
    who = (
        told.get("identifier") or told.get("annotator") or (said["name"] if kind != "human" else "")
    )
    label, score = told.get("label"), told.get("score")
    note = chat.to_text(told.get("explanation"))
    return {
        "dimension": said["name"],
        "verdict": score if label in (None, "") else label,
        "annotator": chat.to_text(who),
        "kind": kind,
        "critique": note,
    }


def list_items(value: Json) -> list[Json]:
    """A list as it is, the items of its JSON text, or none."""
    value = embedded(value) if type(value) is str else value
    return value if type(value) is list else []
