"""The words of a question or an answer, taken out of the wrappers that frameworks put around them.

Only a wrapper that says nothing else is taken off: a structured answer stays as it is.
"""

from __future__ import annotations

from typing import Any

import orjson

from evals.importers import chat, exchanges
from evals.importers.strict_json import inner as embedded
from evals.records import Json

WORDS = ("input", "inputs", "question", "query", "prompt", "user_input", "user_query", "value")
WORDS += ("output", "outputs", "answer", "response", "result", "text", "content", "message")
BESIDE = {"finish_reason", "stop_reason", "role", "id", "model", "usage", "type", "object"}
BESIDE |= {"kwargs", "tags", "metadata", "created", "name", "callbacks", "run_id"}
"""Keys beside the words that say nothing of them."""
DEPTH = 8


def words_of(value: Json, role: str, known: str = "", depth: int = DEPTH) -> str:
    """What a value says in words, `role` being who speaks; as it is where it is no wrapper.

    A text that is `known` to have been said is no wrapper, though it may look like one; nor is a
    text that a wrapper holds.
    """
    plain = value if known and value == known else unquoted(value)
    if type(plain) is str or plain is None or depth == 0:
        return chat.text_of(plain)
    inner = within(plain, role)
    if inner is None:
        return chat.text_of(value)
    return chat.text_of(inner) if type(inner) is str else words_of(inner, role, known, depth - 1)


def last_words(value: Json, role: str) -> str | None:
    """What was last said by somebody in a logged request or response; None where it is neither."""
    found = exchanges.messages(unquoted(value))
    return spoken(found, role) if found else None


def unquoted(value: Json) -> Json:
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


def within(value: Json, role: str) -> Json:
    """What a wrapper holds; None where a value is none."""
    if type(value) is list:
        found = chat.messages_of(value) if value else []
        return spoken(found, role) if found else None
    if type(value) is not dict:
        return None
    if type(listed := value.get("messages")) is list and (found := chat.messages_of(listed)):
        return spoken(found, role)
    for reach in (choice, generation, arguments):
        inner = reach(value)
        if inner is not None:
            return inner
    telling = [key for key in value if key not in BESIDE and value[key] not in (None, [], {})]
    if len(telling) == 1 and telling[0] in WORDS:
        return value[telling[0]]
    return None


def spoken(messages: list[dict[str, Json]], role: str) -> str | None:
    """What was last said by somebody; None where he said nothing."""
    said = (m["content"] for m in reversed(messages) if m["role"] == role and m["content"])
    return next(said, None)


def choice(value: dict[str, Any]) -> Json:
    """The text of a chat completion."""
    choices = value.get("choices")
    first = choices[0] if type(choices) is list and choices else None
    if type(first) is not dict:
        return None
    message = first.get("message")
    return first.get("text") if type(message) is not dict else message.get("content")


def generation(value: dict[str, Any]) -> Json:
    """The text of LangChain's generations."""
    found: Json = value.get("generations")
    while type(found) is list and found:
        found = found[0]
    return found.get("text") if type(found) is dict else None


def arguments(value: dict[str, Any]) -> Json:
    """The only argument of a traced function."""
    args, kwargs = value.get("args"), value.get("kwargs")
    if "args" not in value or set(value) - {"args", "kwargs"}:
        return None
    given = [
        *(args if type(args) is list else ()),
        *(kwargs.values() if type(kwargs) is dict else ()),
    ]
    return given[0] if len(given) == 1 and type(given[0]) is str else None
