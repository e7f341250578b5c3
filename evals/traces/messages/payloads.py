"""The words of a question or an answer, taken out of the wrappers that frameworks put around them.

What was asked may be wrapped in an application's own object. An answer is what the application
said: only what no application writes is taken off it, or what leads to the words of a model's call.
"""

from __future__ import annotations

from typing import Any

import orjson

from evals.records import Json
from evals.traces.files.strict_json import parse_inner as embedded
from evals.traces.messages import chat, exchanges

WORDS = ("input", "inputs", "question", "query", "prompt", "user_input", "user_query", "value")
WORDS += ("output", "outputs", "answer", "response", "result", "text", "content", "message")
BESIDE = {"finish_reason", "stop_reason", "role", "id", "model", "usage", "type", "object"}
BESIDE |= {"kwargs", "tags", "metadata", "created", "name", "callbacks", "run_id"}
"""Keys beside the words that say nothing of them."""
NOTHING: tuple[Json, ...] = (None, [], {})
DEPTH = 8


def extract_words(value: Json, role: str, known: str = "") -> str:
    """Extracts the text of a value, `role` being the speaker; as it is where it is no wrapper.

    A text that is `known` to have been said is no wrapper, though it may look like one; nor is a
    text that a wrapper holds. What leads to it is one, though an application made it.
    """
    found = unwrap_words(value, role, known, own=role == "user" or bool(known))
    if role == "user" or found.strip() == known.strip():
        return found
    return unwrap_words(value, role, known, own=False)


def unwrap_words(value: Json, role: str, known: str, own: bool, depth: int = DEPTH) -> str:
    """The words at the end of all wrappers; `own`: an application's objects are such too."""
    plain = value if known and value == known else parse_quoted(value)
    if type(plain) is str or plain is None or depth == 0:
        return chat.to_text(plain)
    inner = unwrap_framework(plain, role)
    if inner is None and own and type(plain) is dict:
        inner = unwrap_only_value(plain)
    if inner is None:
        return chat.to_text(value)
    return (
        chat.to_text(inner)
        if type(inner) is str
        else unwrap_words(inner, role, known, own, depth - 1)
    )


def find_last_words(value: Json, role: str) -> str | None:
    """Finds a role's last message in a logged request or response; None where it is neither."""
    found = exchanges.read_messages(parse_quoted(value))
    return find_last_content(found, role) if found else None


def parse_quoted(value: Json) -> Json:
    """The value of a JSON text; any other text as it is."""
    if type(value) is not str:
        return value
    text = value.strip() if value[:1].isspace() or value[-1:].isspace() else value
    if text[:1] == '"' and text[-1:] == '"' and len(text) > 1:
        try:
            inner = orjson.loads(text.encode("utf-8", "surrogatepass"))
        except orjson.JSONDecodeError:
            return value
        return inner if type(inner) is str else value
    found = embedded(text)
    return value if found is text else found


def unwrap_framework(value: Json, role: str) -> Json:
    """What a framework's wrapper holds; None where a value is none."""
    if type(value) is list:
        found = chat.read_messages(value) if value else []
        return find_last_content(found, role) if found else None
    if type(value) is not dict:
        return None
    if type(listed := value.get("messages")) is list and (found := chat.read_messages(listed)):
        return find_last_content(found, role)
    for reach in (unwrap_message, unwrap_choice, unwrap_generation, unwrap_traced, unwrap_argument):
        inner = reach(value)
        if inner is not None:
            return inner
    return None


def unwrap_only_value(value: dict[str, Any]) -> Json:
    """Unwraps an object with only one value; None where it has more."""
    telling = [key for key in value if key not in BESIDE and value[key] not in NOTHING]
    return value[telling[0]] if len(telling) == 1 and telling[0] in WORDS else None


def find_last_content(messages: chat.Messages, role: str) -> str | None:
    """Finds the last content of a role; None where it has none."""
    said = (m["content"] for m in reversed(messages) if m["role"] == role and m["content"])
    return next(said, None)


def unwrap_message(value: dict[str, Any]) -> Json:
    """Unwraps a message with a role or a finish reason; None for any other."""
    if set(value) <= {"content", "text", *BESIDE}:
        if "role" in value and chat.find_role(value) in chat.PLAIN:
            return value.get("content")
        if "finish_reason" in value:
            return value.get("text", value.get("content"))
    return None


def unwrap_choice(value: dict[str, Any]) -> Json:
    """Unwraps a completion's first choice, which has a message or a finish reason."""
    choices = value.get("choices")
    first = choices[0] if type(choices) is list and choices else None
    if type(first) is not dict:
        return None
    said = first.get("message")
    if type(said) is dict:
        return said.get("content") if "role" in said else None
    return first.get("text") if "finish_reason" in first else None


def unwrap_generation(value: dict[str, Any]) -> Json:
    """The text of LangChain's generations, a list for each prompt."""
    batches = value.get("generations")
    first = batches[0] if type(batches) is list and batches else None
    found = first[0] if type(first) is list and first else None
    return found.get("text") if type(found) is dict else None


def unwrap_traced(value: dict[str, Any]) -> Json:
    """What OpenLLMetry writes a chain's side as, with how it was called beside it."""
    sides = [key for key in ("inputs", "outputs") if key in value]
    return value[sides[0]] if len(sides) == 1 and "kwargs" in value else None


def unwrap_argument(value: dict[str, Any]) -> Json:
    """The only argument of a traced function."""
    args, kwargs = value.get("args"), value.get("kwargs")
    if "args" not in value or set(value) - {"args", "kwargs"}:
        return None
    given = [
        *(args if type(args) is list else ()),
        *(kwargs.values() if type(kwargs) is dict else ()),
    ]
    return given[0] if len(given) == 1 and type(given[0]) is str else None
