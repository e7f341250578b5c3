"""OpenAI calls as logged: a request and its response a row, or the output of the Batch API.

Chat completions and Responses, streamed or not, under the names that logs use; `exchanges` reads
their texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from evals.records import Json, digest
from evals.traces.files.documents import list_key_paths
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import BROKEN, Line, open_unpacked, read_lines
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.messages import exchanges
from evals.traces.messages.calls import (
    build_steps,
    decode_body,
    decode_response,
    find_session,
    find_versions,
)
from evals.traces.messages.chat import as_json
from evals.traces.messages.parts import list_choices
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.rows.statuses import read_error, read_status

NAME = "openai"
REQUEST = ("request", "request_body", "req", "request_json", "input_body", "kwargs", "params")
RESPONSE = ("response", "response_body", "resp", "response_json", "completion", "output_body")
REQUEST_KEYS = ("messages", "input", "prompt")
RESPONSE_KEYS = ("choices", "output", "object", "body")
START_KEYS = ("ts", "timestamp", "time", "created_at", "start_time", "started_at", "request_time")
DURATION_KEYS = ("latency_ms", "duration_ms", "elapsed_ms", "response_ms", "response_time_ms")
IDS = ("trace_id", "request_id", "id")
Object = dict[str, Json]


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows have a request or a response in OpenAI's shape, or are Batch files."""
    paths = list_key_paths(head)
    if "custom_id" in paths:
        return bool(paths & {"response", "error", "body"})
    if {"id", "object", "choices", "model"} <= paths or {"id", "object", "output"} <= paths:
        return True
    has_request = any(f"{name}.{key}" in paths for name in REQUEST for key in REQUEST_KEYS)
    has_response = any(f"{name}.{key}" in paths for name in RESPONSE for key in RESPONSE_KEYS)
    return has_response or (has_request and any(name in paths for name in RESPONSE))


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace or refusal a row; skips a Batch input if its output is in the folder."""
    requests = BatchRequests(reading.path)
    for line in rows:
        row = None
        try:
            row = parse_product_row(line, reading)
            if is_batch_input(row):
                if requests.has_output():
                    return
                raise Refused(
                    "no-response",
                    "The row is a request of the Batch API; put the batch's output file beside "
                    "this one and import that.",
                )
            row = convert_row(row, requests.find_request)
            yield canonical.build_trace(row, reading, NAME, line.number)
        except Refused as problem:
            yield canonical.make_refusal(problem, line.raw, line.number, reading, row)


def is_batch_input(row: Object) -> bool:
    """Whether a row is one of a Batch input file."""
    return "custom_id" in row and "body" in row and "response" not in row


def convert_row(row: Object, find_request: Callable[[Json], Object]) -> Object:
    """Converts a logged call to canonical names; other keys stay as they are."""
    request = find_object(row, REQUEST) or find_request(row.get("custom_id"))
    response = find_object(row, RESPONSE, decode_response)
    if not request and not response and ("choices" in row or "object" in row):
        row, response = {}, row
    used = {name for name in (*REQUEST, *RESPONSE) if name in row}
    rest = {key: value for key, value in row.items() if key not in used}
    body = unwrap_response(response)
    fields = {**exchanges.describe_request(request), **exchanges.describe_response(body)}
    fingerprint = fields.pop("system_fingerprint", None)
    chat = exchanges.read_messages(request)
    if not chat or chat[0].get("role") not in ("system", "developer"):
        chat = [*exchanges.read_system(body), *chat]
    replies = exchanges.read_messages(body)
    problem = find_problem(row, response)
    fields |= {
        "messages": as_json(chat),
        "output": exchanges.read_answer(body) if replies else None,
        "steps": build_steps("response" if "output" in body else "chat", fields, replies, problem),
        "ts": next((row[key] for key in START_KEYS if row.get(key)), None) or find_created(body),
        "latency_ms": next((row[key] for key in DURATION_KEYS if row.get(key) is not None), None),
        "user_id": request.get("user") or request.get("safety_identifier"),
        "session_id": find_session(request),
        "versions": find_versions(fingerprint, request.get("tools")),
    }
    if problem:
        fields["status"] = read_status(response.get("status_code")) or read_error(problem)
    fields |= identify_call(row, body, request)
    extra = {
        key: value for key, value in rest.items() if key not in (*START_KEYS, *DURATION_KEYS, *IDS)
    }
    return merge_metadata(fields, extra, request, body)


def merge_metadata(fields: Object, extra: Object, request: Object, body: Object) -> Object:
    """Merges the known fields, the other keys, and the metadata of request and response."""
    metadata = extra.pop("metadata", None)
    merged = metadata if type(metadata) is dict else {} if metadata is None else {"note": metadata}
    for source, names in ((request, EXTRA_REQUEST_KEYS), (body, EXTRA_RESPONSE_KEYS)):
        merged |= {name: source[name] for name in names if source.get(name) is not None}
    if len(choices := list_choices(body.get("choices"))) > 1:
        merged["choices"] = choices[1:]
    if merged.get("id") == fields["trace_id"]:
        del merged["id"]
    if type(requested := request.get("metadata")) is dict:
        requested = {key: value for key, value in requested.items() if key != "session_id"}
        merged = {**requested, **merged}
    for key, value in extra.items():
        if value is not None:
            fields[key] = value
    return {**fields, "metadata": merged}


EXTRA_REQUEST_KEYS = ("tools", "previous_response_id", "modalities", "web_search_options")
EXTRA_RESPONSE_KEYS = ("id", "usage", "error", "refusal")
"""Keys of a request and a response that have no field of their own."""


def identify_call(row: Object, body: Object, request: Object) -> Object:
    """Returns a call's id: the log's, the response's, or a hash of its content."""
    custom = row.get("custom_id")
    logged = row.get("trace_id") if custom is not None else find_value(row, IDS)
    call_id = logged or body.get("id") or (row.get("id") if custom is not None else None)
    ids: Object = {"trace_id": call_id or f"call-{digest([request, body, row], 24)}"}
    return ids if custom is None else {**ids, "custom_id": custom}


def find_object(
    row: Object, names: tuple[str, ...], decode: Callable[[Json], Object] = decode_body
) -> Object:
    """Returns the object under the first of some names, also as JSON in a text or as a stream."""
    for name in names:
        if body := decode(row.get(name)):
            return body
    return {}


def find_value(row: Object, names: tuple[str, ...]) -> Json:
    """Returns the first value under some names that is not empty."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def unwrap_response(response: Object) -> Object:
    """Takes the response out of its HTTP envelope."""
    body = response.get("body")
    body = parse_wrapper(body) if type(body) is str else body
    return body if type(body) is dict else response


def find_problem(row: Object, response: Object) -> str | None:
    """Returns the error message in the log or the HTTP envelope; None if there is none."""
    body = unwrap_response(response)
    for error in (row.get("error"), body.get("error"), response.get("error")):
        if error:
            message = error.get("message") if type(error) is dict else error
            return message if type(message) is str and message else json.dumps(error)
    status = response.get("status_code")
    if type(status) is int and status >= 400:
        return f"HTTP {status}"
    return "cancelled" if body.get("status") == "cancelled" else None


def find_created(body: Object) -> str | None:
    """Returns when the response was made, as ISO text; the API has seconds since 1970."""
    seconds = body.get("created") or body.get("created_at")
    if not isinstance(seconds, int | float) or not 0 < seconds < 7e9:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class BatchRequests:
    """The requests of the Batch input files beside an output, read on first use."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lines: dict[str, bytes] | None = None

    def find_request(self, custom_id: Json) -> Object:
        """Returns the request that an output answers; empty if no file has it."""
        if type(custom_id) is not str or self.path is None:
            return {}
        if self.lines is None:
            self.lines = self.read_requests(self.path)
        raw = self.lines.get(custom_id)
        body = parse_line(raw).get("body") if raw else None
        return body if type(body) is dict else {}

    def read_requests(self, path: Path) -> dict[str, bytes]:
        """Reads the lines of all Batch inputs in the folder by custom id; the nearest name wins."""
        lines: dict[str, bytes] = {}
        for beside in list_neighbours(path):
            for line in read_file_lines(beside):
                try:
                    row = parse_line(line.raw) if not line.code else {}
                except Refused:
                    continue
                if not is_batch_input(row):
                    break
                lines.setdefault(str(row["custom_id"]), line.raw)
        return lines

    def has_output(self) -> bool:
        """Whether a file beside this one has answers of a batch."""
        if self.path is None:
            return False
        first_lines = (next(read_file_lines(beside), None) for beside in list_neighbours(self.path))
        return any(
            line and b'"custom_id"' in line.raw and b'"response"' in line.raw
            for line in first_lines
        )


def list_neighbours(path: Path) -> list[Path]:
    """Lists the other JSONL files of a folder, those with the most similar names first."""

    def count_common_prefix(other: Path) -> int:
        pairs = zip(path.name, other.name, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), 0)

    files = (other for other in path.parent.iterdir() if ".jsonl" in other.name and other != path)
    return sorted(
        (file for file in files if file.is_file()), key=lambda f: (-count_common_prefix(f), f.name)
    )


def read_file_lines(path: Path) -> Iterator[Line]:
    """Yields a file's lines; none if it cannot be read."""
    try:
        with open_unpacked(path) as stream:
            yield from read_lines(stream)
    except BROKEN:
        return
