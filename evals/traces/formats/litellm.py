"""LiteLLM: its StandardLoggingPayload, from S3, GCS or a callback, and its table of spend logs.

The night is that of `startTime`; the provider's own `created` is not read. JSON columns of the
table may be text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.call_logs import (
    EMPTY,
    WITHOUT_TEXT,
    CallLog,
    Entry,
    add_metadata,
    choose_model,
    find_first,
    get_object,
    has_text,
    make_id,
    read_count,
    read_number,
    read_tags,
    shorten_model,
    to_iso,
)
from evals.traces.messages import calls
from evals.traces.messages.bodies import find_other_kind
from evals.traces.messages.parts import Object
from evals.traces.rows import timestamps
from evals.traces.rows.canonical import ImporterOutput, Reading

NAME = "litellm"
PAYLOAD = "standard_logging_object"
MARKS = frozenset(("response_cost", "spend", "model_group", "custom_llm_provider", "request_tags"))
REDACTED = "redacted-by-litellm"
HEALTH = "litellm-internal-health-check"
WITHOUT_BODIES = (
    "The log has no text of answers: set `store_prompts_in_spend_logs: true` under "
    "`general_settings`, without `turn_off_message_logging`, or log to S3 or GCS, and export the "
    "entries since."
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are payloads or spend logs of LiteLLM, or pages of them."""
    paths = list_key_paths(head)
    for under in ("", "data.", f"{PAYLOAD}.", f"kwargs.{PAYLOAD}."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        if "startTime" in keys and ("call_type" in keys or len(keys & MARKS) > 1):
            return True
    return PAYLOAD in paths or f"kwargs.{PAYLOAD}" in paths


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace a call."""
    return LOG.read(rows, reading)


def list_payloads(row: Object) -> list[Json]:
    """Lists the payloads of a row: its own, that of a callback's arguments, or those of a page."""
    if type(page := row.get("data")) is list:
        return page
    payload = get_object(row, PAYLOAD) or get_object(get_object(row, "kwargs"), PAYLOAD)
    return [payload or row]


def convert_payload(row: Object, reading: Reading) -> Entry | str:
    """Converts a payload or a row of the spend logs.

    Raises:
        Refused: `not-litellm`.
    """
    if "startTime" not in row and MARKS.isdisjoint(row):
        raise Refused("not-litellm", "The row is no log of a call of LiteLLM; leave it out.")
    metadata = get_object(row, "metadata")
    tags = read_list(row.get("request_tags"))
    if HEALTH in tags or HEALTH in (row.get("api_key"), metadata.get("user_api_key")):
        return "health check"
    request, response = read_request(row), read_response(row.get("response"))
    if kind := find_other_kind(response, row.get("call_type")):
        return kind
    fields = calls.describe_call(request, response, describe_problem(row, metadata))
    if not has_text(fields, response):
        return WITHOUT_TEXT
    fields |= read_tags(get_object(metadata, "spend_logs_metadata", "requester_metadata"))
    fields |= {key: value for key, value in describe(row, fields).items() if value not in EMPTY}
    fields |= {
        "trace_id": make_id(find_first(row, "id", "request_id"), row),
        "ts": to_iso(row.get("startTime")),
        "tags": [*tags],
    }
    return Entry(add_metadata(fields, collect_metadata(row, metadata)))


def describe(row: Object, fields: Object) -> Object:
    """Describes a call by what LiteLLM logs beside its bodies."""
    metadata = get_object(row, "metadata")
    requester = get_object(metadata, "requester_metadata")
    prompt = get_object(metadata, "prompt_management_metadata")
    sent, made = read_count(row.get("prompt_tokens")), read_count(row.get("completion_tokens"))
    return {
        "session_id": find_first(row, "session_id", "trace_id") or fields.get("session_id"),
        "user_id": find_first(row, "end_user")
        or find_first(metadata, "user_api_key_end_user_id")
        or find_first(requester, "user_id")
        or fields.get("user_id")
        or find_first(row, "user")
        or find_first(metadata, "user_api_key_user_id"),
        "provider": row.get("custom_llm_provider"),
        "model_requested": find_first(row, "model_group") or shorten_model(row.get("model")),
        "model": shorten_model(choose_model(fields, row.get("model"))),
        "prompt_name": prompt.get("prompt_id"),
        "tokens_in": sent or fields.get("tokens_in"),
        "tokens_out": made or fields.get("tokens_out"),
        "cost_usd": read_number(find_first(row, "response_cost", "spend")),
        "latency_ms": find_latency(row),
    }


def read_list(value: Json) -> list[Json]:
    """Reads a list, also one in a text."""
    value = parse_wrapper(value) if type(value) is str else value
    return [str(item) for item in value] if type(value) is list else []


def read_request(row: Object) -> Object:
    """Reads what a call sent: its messages, or the body that the proxy received."""
    parameters = get_object(row, "model_parameters")
    messages = row.get("messages")
    messages = parse_wrapper(messages) if type(messages) is str else messages
    if messages in EMPTY or messages == REDACTED:
        received = get_object(row, "proxy_server_request")
        return {**parameters, **(get_object(received, "body") or received)}
    if type(messages) is dict:
        return {**parameters, **messages}
    chat: list[Json] = messages if type(messages) is list else [say("user", messages)]
    return parameters if is_redacted(chat) else {**parameters, "messages": chat}


def say(role: str, content: Json) -> Json:
    """Makes a message."""
    return {"role": role, "content": content}


def is_redacted(messages: list[Json]) -> bool:
    """Whether a chat has nothing but the mark of what LiteLLM took out."""
    contents = [message.get("content") for message in messages if type(message) is dict]
    return bool(contents) and all(content == REDACTED for content in contents)


def read_response(value: Json) -> Object:
    """Reads what a call answered: a body, or the text alone."""
    body = calls.decode_response(value)
    if type(value) is str and not body and value not in ("", REDACTED, "{}", "[]", "null"):
        return {"choices": [{"message": say("assistant", value)}]}
    if body.get("text") == REDACTED:
        return {}
    choices = body.get("choices")
    listed = choices if type(choices) is list else []
    messages = [choice.get("message") for choice in listed if type(choice) is dict]
    return {} if is_redacted(messages) else body


def describe_problem(row: Object, metadata: Object) -> str | None:
    """Describes the error of a failed call; None where it succeeded."""
    status = find_first(row, "status") or find_first(metadata, "status")
    error = get_object(row, "error_information") or get_object(metadata, "error_information")
    if status != "failure":
        return None
    words = find_first(error, "error_message") or find_first(row, "error_str")
    names = [find_first(error, "error_class"), find_first(error, "error_code"), words]
    return ": ".join(str(name) for name in names if name is not None) or "failure"


def find_latency(row: Object) -> float | None:
    """Returns how long a call took, in milliseconds."""
    took = read_number(row.get("request_duration_ms"))
    if took is not None:
        return took
    seconds = read_number(row.get("response_time"))
    if seconds is not None:
        return round(1000 * seconds, 3)
    try:
        start, _ = timestamps.read_timestamp(to_iso(row.get("startTime")))
        end, _ = timestamps.read_timestamp(to_iso(row.get("endTime")))
    except Refused:
        return None
    return max(0.0, round(1000 * (end - start).total_seconds(), 3))


def collect_metadata(row: Object, metadata: Object) -> Object:
    """Collects what LiteLLM logs without a field of its own; no key of anybody's."""
    kept = {key: value for key, value in metadata.items() if key not in LEFT_OUT}
    own = {key: row.get(key) for key in KEPT}
    return {**kept, **own}


KEPT = (
    *("call_type", "model_id", "model_group", "api_base", "cache_hit", "trace_id", "stream"),
    *("cost_breakdown", "guardrail_information", "team_id", "completionStartTime"),
)
LEFT_OUT = frozenset(
    [
        *("user_api_key", "user_api_key_hash", "user_api_key_user_email", "requester_ip_address"),
        *("usage_object", "model_map_information", "additional_usage_values", "user_agent"),
        *("proxy_server_request", "requester_custom_headers", "cold_storage_object_key"),
    ]
)
"""Keys of the metadata that identify a person or a key, or repeat other fields."""
LOG = CallLog(NAME, list_payloads, convert_payload, WITHOUT_BODIES)
