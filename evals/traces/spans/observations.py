"""Values, times and model calls, as products' exports of observations and runs write them.

The formats know the columns of each product; `item_rows` builds the traces.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.strict_json import OPENS
from evals.traces.messages import exchanges
from evals.traces.messages.chat import Chat, as_json
from evals.traces.rows.timestamps import parse_iso_text

Object: TypeAlias = dict[str, Json]
COMMIT = re.compile(r"[0-9a-f]{40}|(?=.*[a-f])(?=.*\d)[0-9a-f]{7,39}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_WITHOUT_ZONE = EPOCH.replace(tzinfo=None)
EMPTY: tuple[Json, ...] = (None, "", [], {})
"""Values that mean "empty" in exports that have no null."""
DOCUMENTS = ("documents", "docs", "results", "source_documents", "matches")


def describe_call(request: Json, response: Json) -> Object:
    """Describes a model's call as attributes of a span: its chat and its response's details."""
    request, response = parse_text(request), parse_text(response)
    attributes: Object = {}
    chat = exchanges.read_messages(request)
    if chat and chat[0].get("role") not in ("system", "developer") and type(response) is dict:
        chat = [*exchanges.read_system(response), *chat]
    if chat:
        attributes["gen_ai.input.messages"] = Chat(as_json(chat))
    if messages := exchanges.read_messages(response):
        attributes["gen_ai.output.messages"] = Chat(as_json(messages))
    for key, value in exchanges.describe_response(response).items():
        attributes[RESPONSE_ATTRIBUTES[key]] = value
    if (total := exchanges.find_total_tokens(response)) is not None:
        attributes["gen_ai.usage.total_tokens"] = total
    return attributes


def describe_model_call(request: Json, response: Json) -> Object:
    """Describes a model's call as `describe_call` does, with the model requested and parameters."""
    described = exchanges.describe_request(parse_text(request))
    attributes: Object = {
        REQUEST_MODEL: described.get("model_requested"),
        "llm.invocation_parameters": described.get("params"),
        **describe_call(request, response),
    }
    return {key: value for key, value in attributes.items() if value not in EMPTY}


def split_people(metadata: Object) -> tuple[Object, Object]:
    """Takes the session and the user out of a team's own metadata, so that no copy of them stays.

    Returns:
        The attributes of the session and the user, and the other metadata.
    """
    session, user = find_value(metadata, SESSIONS), find_value(metadata, USERS)
    taken = {key for key in (*SESSIONS, *USERS) if metadata.get(key) in (session, user)}
    people: Object = {"session.id": session, "user.id": user}
    return (
        {key: value for key, value in people.items() if value not in EMPTY},
        {key: value for key, value in metadata.items() if key not in taken},
    )


SESSIONS = ("session_id", "sessionId", "conversation_id", "conversationId", "thread_id")
USERS = ("user_id", "userId")


def describe_sides(inputs: Json, outputs: Json, is_table: bool) -> Object:
    """Describes the input and the output of a span.

    Text is the application's own and stays as it was written, unless a table may have made it.
    """
    is_text = type(outputs) is str and not is_table
    return {
        "input.value": inputs,
        "output.value": outputs,
        "output.mime_type": "text/plain" if is_text else None,
    }


def name_model(call: Object, model: Json) -> Object:
    """Returns the attribute of the model that a product names for a call, beside the call's own.

    It is the model that answered, or the one requested where the response names another.
    """
    if model in EMPTY or model in (call.get(RESPONSE_MODEL), call.get(REQUEST_MODEL)):
        return {}
    if RESPONSE_MODEL not in call:
        return {RESPONSE_MODEL: model}
    return {} if REQUEST_MODEL in call else {REQUEST_MODEL: model}


REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"


def unwrap_output(outputs: Json) -> tuple[Json, bool]:
    """Takes a traced function's result out of `output`; returns it and whether it is text."""
    if type(outputs) is dict and outputs.keys() == {"output"}:
        outputs = outputs["output"]
        return outputs, type(outputs) is str
    return outputs, False


RESPONSE_ATTRIBUTES = {
    "model": RESPONSE_MODEL,
    "finish_reason": "gen_ai.response.finish_reasons",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
    "system_fingerprint": "openai.response.system_fingerprint",
}


def find_documents(output: Json) -> list[Json]:
    """Finds the documents that a retriever's output lists."""
    value = parse_text(output)
    if type(value) is dict:
        value = next((value[key] for key in DOCUMENTS if type(value.get(key)) is list), None)
    if type(value) is not list:
        return []
    return [unwrap_document(item) for item in value if type(item) in (dict, str)]


def unwrap_document(item: Json) -> Json:
    """Unwraps a document that LangChain serialized; returns any other item as it is."""
    if type(item) is not dict or "lc" not in item:
        return item
    kwargs = item.get("kwargs")
    return kwargs if type(kwargs) is dict else item


def place_release(release: Json, key: str, resource: Object) -> tuple[Object, Object]:
    """Adds a release to the attributes or the resource.

    Args:
        release: The release, as the product exports it.
        key: The attribute that holds a release.
        resource: The span's resource.

    Returns:
        The attributes to add, and the resource, which holds the release if it is a git commit.
    """
    if release in EMPTY:
        return {}, resource
    if type(release) is str and COMMIT.fullmatch(release):
        return {}, {**resource, "vcs.ref.head.revision": release}
    return {key: release}, resource


def parse_text(value: Json) -> Json:
    """Parses a text that is a JSON object or list; returns any other value as it is."""
    return parse_wrapper(value) if type(value) is str and value[:1] in OPENS else value


def parse_object(value: Json) -> Object:
    """Parses an object that may be JSON text; returns an empty one for any other value.

    Do not change the result: objects of short texts are cached, since they often repeat.
    """
    value = parse_cached(value)
    return value if type(value) is dict else {}


def parse_cached(value: Json) -> Json:
    """Parses like `parse_text`, with a cache for short texts; do not change the result."""
    if type(value) is not str or value[:1] not in OPENS:
        return value
    return parse_once(value) if len(value) <= SHORT else parse_wrapper(value)


parse_once = functools.lru_cache(maxsize=2**12)(parse_wrapper)
SHORT = 256
"""Longer texts seldom repeat."""


def list_objects(value: Json) -> list[Object]:
    """Lists the objects in a list; empty where the value is no list."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def unquote(value: Json) -> Json:
    """Removes the quotes of a text that was encoded as JSON twice."""
    if type(value) is str and len(value) > 1 and value[0] == '"' == value[-1]:
        items = parse_wrapper(f"[{value}]")
        value = items[0] if type(items) is list and len(items) == 1 else value
    return value


def to_text(value: Json) -> str:
    """Converts a value to text, null to empty text."""
    return value if type(value) is str else "" if value is None else str(value)


def to_whole_number(value: Json) -> Json:
    """Converts a float without a fraction to an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def find_value(row: Object, names: Iterable[str]) -> Json:
    """Finds the first value under some names that is not empty."""
    return next((row[name] for name in names if row.get(name) not in EMPTY), None)


def to_nanoseconds(value: Json) -> int | None:
    """Converts ISO text or epoch milliseconds to nanoseconds since 1970; None for other values.

    A time without a zone is UTC, as the products write all of theirs.
    """
    if type(value) is int or type(value) is float:
        return int(value * 10**6) if 0 < value < 10**13 else None
    return parse_iso(value) if type(value) is str and len(value) < 40 else None


@functools.lru_cache(maxsize=2**12)
def parse_iso(text: str) -> int | None:
    """Parses a time in ISO text as nanoseconds since 1970; None where it is none."""
    try:
        time = parse_iso_text(text)
    except ValueError:
        return None
    since = time - (EPOCH if time.tzinfo else EPOCH_WITHOUT_ZONE)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
