"""The text of a chat message in the forms that servers give it: parts, tool calls, reasoning.

Reads no verdict: `evals.evaluators.judges` parses the text.
"""

from __future__ import annotations

import json

from evals.models.answer_fields import require_list, require_object, require_text
from evals.records import Json

TEXT_PARTS = ("text", "output_text", None)
"""Types of content parts that hold the answer; others hold reasoning, images, citations."""

REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where servers put what they take for reasoning: vLLM, SGLang and DeepSeek, and Ollama, Groq and
OpenRouter. A parser of theirs that misses the end of the reasoning puts the answer there, too."""

UNFINISHED = frozenset({"length", "content_filter", "refusal"})
"""Finish reasons of messages that may have no text."""


def find_message_text(message: dict[str, Json], finish: Json) -> str:
    """Returns the text of a message that is more, or less, than a plain text.

    The arguments of a tool call are the answer where there are any: some servers make a tool of
    the schema that was asked for. Content beside them counts if it may be an answer itself.

    Raises:
        SHAPE_ERRORS: when the message holds no answer.
    """
    text = join_parts(message.get("content"))
    calls = list_arguments(message)
    if calls:
        return "\n".join([text, *calls] if "{" in text else calls)
    if text or finish in UNFINISHED:
        return text
    for name in REASONING_FIELDS:
        if reasoning := message.get(name):
            return require_text(reasoning)
    return require_text(message.get("content") if text == "" else text)


def has_reasoning(message: dict[str, Json]) -> bool:
    """Whether a message has reasoning beside its text."""
    return any(message.get(name) for name in REASONING_FIELDS)


def join_parts(content: Json) -> str:
    """Joins the text of a message's content; empty where it is null.

    Raises:
        SHAPE_ERRORS: when a part has another form.
    """
    if content is None or isinstance(content, str):
        return content or ""
    parts = [part if isinstance(part, str) else require_object(part) for part in iterate(content)]
    return "".join(part if isinstance(part, str) else read_part_text(part) for part in parts)


def iterate(content: Json) -> list[Json]:
    """Returns the parts of a content; a single part may stand without a list."""
    return [content] if isinstance(content, dict) else require_list(content)


def read_part_text(part: dict[str, Json]) -> str:
    """Returns a part's text; empty for a part of another type."""
    return require_text(part["text"]) if part.get("type") in TEXT_PARTS else ""


def list_arguments(message: dict[str, Json]) -> list[str]:
    """Lists the arguments of a message's tool calls as JSON.

    Raises:
        SHAPE_ERRORS: when a call has another form.
    """
    calls = [require_object(call) for call in require_list(message.get("tool_calls") or [])]
    functions = [require_object(call["function"]) for call in calls]
    if old_form := message.get("function_call"):
        functions.append(require_object(old_form))
    return [as_json(function["arguments"]) for function in functions]


def as_json(arguments: Json) -> str:
    """Returns arguments as JSON text; Ollama's are an object already."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
