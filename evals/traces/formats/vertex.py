"""Google Vertex AI: request-response logs of Gemini and Claude, as BigQuery exports their table.

Rows come as JSON, Parquet or CSV, also from Cloud Storage; JSON columns may be text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.call_logs import (
    WITHOUT_TEXT,
    CallLog,
    Entry,
    add_metadata,
    choose_model,
    find_first,
    get_object,
    has_text,
    make_id,
    read_number,
    read_tags,
    shorten_model,
    to_iso,
)
from evals.traces.messages import calls
from evals.traces.messages.bodies import find_other_kind
from evals.traces.messages.parts import Object
from evals.traces.rows.canonical import ImporterOutput, Reading

NAME = "vertex"
REQUESTS = ("full_request", "request_payload")
RESPONSES = ("full_response", "response_payload")
WITHOUT_BODIES = (
    "The rows have no text of answers: export the table of request-response logging "
    "with its columns `full_request` and `full_response`."
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are of the table of request-response logging."""
    paths = list_key_paths(head)
    logged = bool(paths & {*REQUESTS, *RESPONSES})
    return logged and bool(paths & {"logging_time", "api_method", "deployed_model_id"})


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace a row."""
    return LOG.read(rows, reading)


def convert_row(row: Object, reading: Reading) -> Entry | str:
    """Converts a row of the table.

    Raises:
        Refused: `not-vertex`.
    """
    if row.keys().isdisjoint((*REQUESTS, *RESPONSES)) and "logging_time" not in row:
        raise Refused(
            "not-vertex", "The row is none of Vertex AI's request-response logs; leave it out."
        )
    request, response = read_payload(row, REQUESTS), read_response(row)
    model = shorten_model(row.get("model")) or shorten_model(row.get("deployed_model_id"))
    if kind := find_other_kind(response, row.get("api_method"), model):
        return kind
    details = get_object(row, "metadata")
    problem = calls.describe_error(find_first(row, "error") or find_first(details, "error"))
    fields = calls.describe_call(request, response, problem)
    if not has_text(fields, response):
        return WITHOUT_TEXT
    version = find_first(response, "modelVersion", "model_version")
    fields |= read_tags(get_object(request, "labels"))
    fields |= {
        "trace_id": find_id(row, response),
        "ts": to_iso(find_first(row, "logging_time", "log_time")),
        "provider": "gcp.vertex_ai",
        "model_requested": model or fields.get("model_requested"),
        "model": shorten_model(version) or choose_model(fields, model),
        "latency_ms": read_number(details.get("request_latency")),
    }
    more = {key: row.get(key) for key in ("endpoint", "api_method", "model_version")}
    return Entry(add_metadata(fields, {**more, "row_metadata": details}))


def find_id(row: Object, response: Object) -> Json:
    """Returns a call's id: the table's, which may be a number, or the response's."""
    call_id = find_first(row, "request_id") or find_first(response, "responseId", "id")
    if type(call_id) is float and call_id.is_integer():
        call_id = int(call_id)
    return str(call_id) if call_id is not None else make_id(None, row)


def read_response(row: Object) -> Object:
    """Reads the payload of a response.

    Raises:
        Refused: `unreadable-answer`: its JSON is cut off or damaged.
    """
    texts = [row[key] for key in RESPONSES if type(row.get(key)) is str]
    return read_payload(row, RESPONSES) or (calls.decode_response(texts[0]) if texts else {})


def read_payload(row: Object, keys: tuple[str, ...]) -> Object:
    """Reads a payload: an object or its text, or a list of a stream's chunks or of their texts."""
    for key in keys:
        value = row.get(key)
        value = parse_wrapper(value) if type(value) is str else value
        if type(value) is list:
            items = [parse_wrapper(item) if type(item) is str else item for item in value]
            while len(items) == 1 and type(items[0]) is list:
                items = items[0]
            value = items[0] if len(items) == 1 else items
        if body := calls.decode_body(value):
            return body
    return {}


LOG = CallLog(NAME, lambda row: [row], convert_row, WITHOUT_BODIES)
