"""Helicone: requests of its API or its export tool, as JSON, JSONL or CSV, with their bodies.

Scores become labels, a user's rating becomes feedback and a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from evals.records import Json, Label
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
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading

NAME = "helicone"
OWN_KEYS = frozenset(
    [
        *("response_status", "delay_ms", "request_properties", "helicone_user", "request_user_id"),
        *("request_created_at", "response_created_at", "signed_body_url", "llmSchema"),
    ]
)
SESSION = "helicone-session-id"
RATING = "helicone-score-feedback"
"""The score under which Helicone keeps a user's rating too."""
STATUSES = {-1: "pending", -2: "pending", -3: "cancelled", -4: "blocked as a threat"}
"""Helicone's own statuses, which are no HTTP statuses."""
UNIT = 1e9
"""Helicone's database counts cost in billionths of a dollar."""
MOST_USD = 1000.0
"""No single call costs as much: such a cost is in billionths."""
WITHOUT_BODIES = (
    "The requests have no text of answers: export them with the tool's `--include-body` as "
    "JSONL, or fetch each `signed_body_url` into `request_body` and `response_body`."
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are requests of Helicone, or pages of them."""
    paths = list_key_paths(head)
    for under in ("", "data."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        identified = bool(keys & {"request_id", "response_id"})
        if identified and len(keys & OWN_KEYS) > 2:
            return True
    return False


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace a request, and the labels of its scores before it."""
    return LOG.read(rows, reading)


def list_requests(row: Object) -> list[Json]:
    """Lists the requests of a row: its own, or those of a page of the API."""
    page = row.get("data")
    return page if type(page) is list else [row]


def convert_request(row: Object, reading: Reading) -> Entry | str:
    """Converts a request.

    Raises:
        Refused: `not-helicone`.
    """
    if OWN_KEYS.isdisjoint(row):
        raise Refused("not-helicone", "The row is no request of Helicone's API; leave it out.")
    schema = get_object(row, "llmSchema")
    request = find_body(row, "request_body") or get_object(schema, "request")
    response = find_body(row, "response_body") or get_object(schema, "response")
    response = response or find_body(row, "response_body", calls.decode_response)
    model = find_first(row, "request_model", "model") or request.get("model")
    if kind := find_other_kind(response, row.get("request_path"), model):
        return kind
    fields = calls.describe_call(request, response, describe_problem(row, response))
    if not has_text(fields, response):
        return WITHOUT_TEXT
    call_id = make_id(find_first(row, "request_id", "response_id"), row)
    properties = get_object(row, "properties") or get_object(row, "request_properties")
    fields |= read_tags(lower_keys(properties)) | describe(row, fields, properties)
    fields["trace_id"] = call_id
    ratings = read_ratings(row)
    fields["feedback"] = [{"name": "rating", "value": value} for value in ratings]
    return Entry(
        add_metadata(fields, collect_metadata(row, properties)),
        (*read_scores(row, str(call_id)), *label_ratings(ratings, str(call_id))),
    )


def find_body(
    row: Object, key: str, decode: Callable[[Json], Object] = calls.decode_body
) -> Object:
    """Returns a body; empty where Helicone kept only a note that it left it out."""
    body = decode(row.get(key))
    streamed = body.get("streamed_data")
    body = decode(streamed) if streamed else body
    return {} if body.keys() <= {"helicone_message", "heliconeMessage"} else body


def describe(row: Object, fields: Object, properties: Object) -> Object:
    """Describes a request by what Helicone keeps beside its bodies."""
    provider = row.get("provider")
    prompt = find_first(row, "prompt_id") or find_first(
        lower_keys(properties), "helicone-prompt-id"
    )
    answered = shorten_model(row.get("response_model"))
    requested = shorten_model(find_first(row, "request_model", "model"))
    own: Object = {
        "ts": to_iso(find_first(row, "request_created_at", "created_at", "response_created_at")),
        "session_id": lower_keys(properties).get(SESSION),
        "user_id": find_first(row, "request_user_id", "user_id", "helicone_user"),
        "model_requested": requested,
        "provider": provider.lower() if type(provider) is str else None,
        "latency_ms": read_number(find_first(row, "delay_ms", "latency")),
        "cost_usd": read_cost(row),
        "prompt_name": prompt,
        "prompt_version": row.get("prompt_version"),
    }
    own |= {
        "model": choose_model(fields, answered, requested),
        "tokens_in": keep_count(fields.get("tokens_in"), row.get("prompt_tokens")),
        "tokens_out": keep_count(fields.get("tokens_out"), row.get("completion_tokens")),
    }
    return {key: value for key, value in own.items() if value not in EMPTY}


def keep_count(counted: Json, logged: Json) -> Json:
    """Returns the response's count, or else the one beside it."""
    return counted if counted is not None else read_count(logged)


def read_cost(row: Object) -> float | None:
    """Returns what a request cost, in dollars."""
    usd = read_number(row.get("costUSD"))
    if usd is not None:
        return usd
    cost = read_number(row.get("cost"))
    return cost / UNIT if cost is not None and cost >= MOST_USD else cost


def describe_problem(row: Object, response: Object) -> str | None:
    """Describes the error of a request: the provider's, Helicone's, or its status."""
    status = row.get("response_status")
    status = read_count(status) if type(status) is not int else status
    own = STATUSES.get(status) if status is not None else None
    note = find_first(response, "helicone_error", "heliconeMessage", "helicone_message")
    error = calls.describe_error(response.get("error")) or calls.describe_error(note)
    return own or error or calls.describe_status(status)


def lower_keys(properties: Object) -> Object:
    """Returns properties under names in lower case."""
    return {key.lower(): value for key, value in properties.items()}


def collect_metadata(row: Object, properties: Object) -> Object:
    """Collects what Helicone keeps without a field of its own."""
    kept = {key: row.get(key) for key in KEPT}
    own = {key: value for key, value in properties.items() if key.lower() != SESSION}
    return {**kept, "properties": own}


KEPT = (
    *("response_id", "response_status", "request_path", "target_url", "country_code"),
    *("time_to_first_token", "cache_enabled", "cache_reference_id", "model_override"),
    *("prompt_cache_read_tokens", "prompt_cache_write_tokens", "reasoning_tokens"),
)


def read_scores(row: Object, trace_id: str) -> Iterator[Label]:
    """Yields the labels of a request's scores."""
    for name, score in get_object(row, "scores").items():
        value = score.get("value") if type(score) is dict else score
        is_boolean = type(score) is dict and score.get("valueType") == "boolean"
        value = bool(value) if is_boolean and value in (0, 1) else value
        label = canonical.make_label(trace_id, name, value, "helicone-score", "rule")
        if label and name != RATING:
            yield label


def read_ratings(row: Object) -> list[Json]:
    """Reads the rating that a user gave: one or none."""
    rating = row.get("feedback_rating")
    rating = parse_wrapper(rating) if type(rating) is str else rating
    rating = {"true": True, "false": False}.get(rating.lower()) if type(rating) is str else rating
    return [rating] if type(rating) is bool else []


def label_ratings(ratings: list[Json], trace_id: str) -> Iterator[Label]:
    """Yields the label of a rating."""
    for rating in ratings:
        label = canonical.make_label(trace_id, "rating", rating, "helicone-user", "human")
        if label:
            yield label


LOG = CallLog(NAME, list_requests, convert_request, WITHOUT_BODIES)
