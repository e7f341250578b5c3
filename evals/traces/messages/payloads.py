"""The text of a question or an answer, extracted from the wrappers of frameworks around it.

An application may wrap a question in an object of its own, which is unwrapped. Of an answer only
what no application writes is unwrapped, or what leads to the text of a model's call.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from evals.records import Json
from evals.traces.files.lenient_json import is_broken_wrapper, parse_wrapper
from evals.traces.messages import chat, exchanges
from evals.traces.messages.parts import Messages, Object, list_choices, read_parts
from evals.traces.messages.plain_text import to_text

TEXT_KEYS = frozenset(
    [
        *("input", "inputs", "question", "query", "prompt", "user_input", "user_query", "value"),
        *("output", "outputs", "answer", "response", "result", "text", "content", "message"),
    ]
)
ENVELOPE_KEYS = frozenset(
    [
        *("finish_reason", "stop_reason", "role", "id", "model", "usage", "type", "object"),
        *("kwargs", "tags", "metadata", "created", "name", "callbacks", "run_id"),
    ]
)
"""Keys beside the text that do not change what it means."""
MESSAGE_KEYS = ENVELOPE_KEYS | {"content", "text"}
EMPTY: tuple[Json, ...] = (None, [], {})
MAX_WRAPPERS = 8


def extract_words(value: Json, role: str, known: str = "") -> str:
    """Extracts the text of a value; a value that is no wrapper is returned as it is.

    Of a wrapper whose JSON is broken nothing is extracted.

    Args:
        value: The logged input or output.
        role: The speaker: `user` or `assistant`.
        known: The text that a model's call is known to have given. It is never unwrapped, though
            it may look like a wrapper; an application's own object that leads to it is unwrapped.
    """
    text = unwrap_words(value, role, known, own=role == "user" or bool(known))
    if role == "user" or text.strip() == known.strip():
        return text
    return unwrap_words(value, role, known, own=False)


def unwrap_words(
    value: Json, role: str, known: str, own: bool, max_wrappers: int = MAX_WRAPPERS
) -> str:
    """Removes all wrappers from a text; an application's objects count as such where `own`."""
    plain = value if known and value == known else parse_quoted(value)
    if value != known and is_broken_wrapper(plain):
        return ""
    if type(plain) is str or plain is None or max_wrappers == 0:
        return to_text(plain)
    inner = unwrap_framework(plain, role)
    if inner is None and own and type(plain) is dict:
        inner = unwrap_only_value(plain)
    if inner is None:
        return to_text(value)
    if type(inner) is str:  # a text within a wrapper is no wrapper itself
        return to_text(inner)
    return unwrap_words(inner, role, known, own, max_wrappers - 1)


def find_last_words(value: Json, role: str) -> str | None:
    """Finds a role's last message in a logged request or response; None where it is neither."""
    messages = exchanges.read_messages(parse_quoted(value))
    return find_last_content(messages, role) if messages else None


def parse_quoted(value: Json, parse: Callable[[str], Json] = parse_wrapper) -> Json:
    """Parses a text that is JSON; returns any other text as it is.

    Args:
        value: The text, or any other value.
        parse: How a list or an object is parsed: in spite of its flaws, unless it is to be stored.
    """
    if type(value) is not str:
        return value
    text = value.strip() if value[:1].isspace() or value[-1:].isspace() else value
    if text[:1] == '"' and text[-1:] == '"' and len(text) > 1:
        try:
            inner = orjson.loads(text.encode("utf-8", "surrogatepass"))
        except orjson.JSONDecodeError:
            return value
        return inner if type(inner) is str else value
    parsed = parse(text)
    return value if parsed is text else parsed


def unwrap_framework(value: Json, role: str) -> Json:
    """Removes one wrapper of a framework; None where the value is none."""
    if type(value) is list:
        messages = chat.read_messages(value) if value else []
        return find_last_content(messages, role) if messages else None
    if type(value) is not dict:
        return None
    listed = value.get("messages")
    if type(listed) is list and (messages := chat.read_messages(listed)):
        return find_last_content(messages, role)
    for unwrap in UNWRAPPERS:
        inner = unwrap(value)
        if inner is not None:
            return inner
    return None


def unwrap_only_value(value: Object) -> Json:
    """Unwraps an object with a single value under one of the text keys; None for any other."""
    keys = [key for key in value if key not in ENVELOPE_KEYS and value[key] not in EMPTY]
    return value[keys[0]] if len(keys) == 1 and keys[0] in TEXT_KEYS else None


def find_last_content(messages: Messages, role: str) -> str | None:
    """Finds the last content of a role; None where it has none."""
    contents = (m["content"] for m in reversed(messages) if m["role"] == role and m["content"])
    return next(contents, None)


def unwrap_message(value: Object) -> Json:
    """Unwraps a message with a role or a finish reason; None for any other."""
    if set(value) <= MESSAGE_KEYS:
        if "role" in value and chat.find_role(value) in chat.PLAIN_ROLES:
            return value.get("content")
        if "finish_reason" in value:
            return value.get("text", value.get("content"))
    return None


def unwrap_choice(value: Object) -> Json:
    """Unwraps a completion's first choice, which has a message or a finish reason."""
    first = next(iter(list_choices(value.get("choices"))), None)
    if type(first) is not dict:
        return None
    message = first.get("message")
    if type(message) is dict:
        return message.get("content") if "role" in message else None
    return first.get("text") if "finish_reason" in first else None


def unwrap_candidate(value: Object) -> Json:
    """Unwraps the first candidate of a response of Gemini, which has parts."""
    first = next(iter(list_choices(value.get("candidates"))), None)
    content = first.get("content") if type(first) is dict else None
    if type(content) is not dict or type(content.get("parts")) is not list:
        return None
    return read_parts(content["parts"]).join_words()


def unwrap_generation(value: Object) -> Json:
    """Unwraps the first of LangChain's generations, which are a list for each prompt."""
    batches = value.get("generations")
    first = batches[0] if type(batches) is list and batches else None
    generation = first[0] if type(first) is list and first else None
    return generation.get("text") if type(generation) is dict else None


def unwrap_traced(value: Object) -> Json:
    """Unwraps a chain's input or output as OpenLLMetry writes it, beside the call's arguments."""
    sides = [key for key in ("inputs", "outputs") if key in value]
    return value[sides[0]] if len(sides) == 1 and "kwargs" in value else None


def unwrap_argument(value: Object) -> Json:
    """Unwraps the only argument of a traced function, where it is text."""
    args, kwargs = value.get("args"), value.get("kwargs")
    if "args" not in value or set(value) - {"args", "kwargs"}:
        return None
    arguments = [
        *(args if type(args) is list else ()),
        *(kwargs.values() if type(kwargs) is dict else ()),
    ]
    return arguments[0] if len(arguments) == 1 and type(arguments[0]) is str else None


UNWRAPPERS = (
    unwrap_message,
    unwrap_choice,
    unwrap_candidate,
    unwrap_generation,
    unwrap_traced,
    unwrap_argument,
)
