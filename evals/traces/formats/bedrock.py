"""Amazon Bedrock: model invocation logs from S3 or CloudWatch, of Converse and InvokeModel.

A body too large for its entry is in the folder `data/` beside the log, in a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from evals.records import Json, NonAnswer, digest
from evals.traces.files.documents import list_key_paths, read_documents
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import BROKEN, Line, open_unpacked
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
    read_count,
    read_number,
    read_tags,
    shorten_model,
)
from evals.traces.messages import calls
from evals.traces.messages.bodies import find_other_kind
from evals.traces.messages.chunks import METRICS
from evals.traces.messages.parts import Object
from evals.traces.rows.canonical import ImporterOutput, Reading

NAME = "bedrock"
MARK = b"ModelInvocationLog"
PAGES = ("events", "logEvents", "results")
"""Keys under which CloudWatch lists log events."""
MESSAGES = ("message", "@message")
BODY_FILE = re.compile(r"[0-9a-f-]{36}_(?:input|output)\.json(?:\.gz)?", re.IGNORECASE)
"""The name of a file that has one body."""
BODY = "stored body"
WITHOUT_BODIES = (
    "The log has no text of answers: turn on text data delivery in Bedrock's model "
    "invocation logging, and export the entries since."
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are entries of the invocation log, or the body of one entry."""
    if BODY_FILE.fullmatch(filename):
        return True
    if MARK not in head:
        return False
    paths = list_key_paths(head)
    places = ("", *(f"{page}." for page in PAGES))
    return any(f"{under}{key}" in paths for under in places for key in ("schemaType", *MESSAGES))


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace an entry; a file with a body of its own is counted and not read."""
    if BODY_FILE.fullmatch(reading.path.name if reading.path else ""):
        yield NonAnswer(1, BODY)
        return
    yield from LOG.read(rows, reading)


def list_entries(row: Object) -> list[Json]:
    """Lists the entries in a row: its own, or those of a page of CloudWatch's events."""
    for key in PAGES:
        if type(page := row.get(key)) is list:
            return [unwrap_event(event) for event in page]
    return [unwrap_event(row)]


def unwrap_event(event: Json) -> Json:
    """Takes the entry out of a log event of CloudWatch."""
    message = find_first(event, *MESSAGES) if type(event) is dict else None
    return event if message is None else message


def convert_entry(entry: Object, reading: Reading) -> Entry | str:
    """Converts an entry of the log.

    Raises:
        Refused: `not-bedrock`, or `missing-body`.
    """
    if entry.get("schemaType") != "ModelInvocationLog":
        raise Refused(
            "not-bedrock", "The entry is none of Bedrock's model invocation log; leave it out."
        )
    given, got = get_object(entry, "input"), get_object(entry, "output")
    model, operation = shorten_model(entry.get("modelId")), entry.get("operation")
    got_inline = calls.decode_response(got.get("outputBodyJson"))
    if kind := find_other_kind(got_inline, model, operation):
        return kind
    request = find_body(given, "input", reading)
    response = got_inline or find_body(got, "output", reading)
    if kind := find_other_kind(response, model, operation):
        return kind
    fields = calls.describe_call(request, response, describe_problem(entry))
    if not has_text(fields, response):
        return WITHOUT_TEXT
    tags = get_object(entry, "requestMetadata") or get_object(request, "requestMetadata")
    fields |= read_tags(tags) | count_tokens(given, got, fields)
    fields |= {
        "trace_id": make_id(entry.get("requestId"), entry),
        "ts": entry.get("timestamp"),
        "provider": "aws.bedrock",
        "model_requested": model,
        "model": choose_model(fields, model),
        "latency_ms": find_latency(response),
    }
    more = {key: entry.get(key) for key in ("operation", "region", "inferenceRegion", "identity")}
    return Entry(add_metadata(fields, {**more, "modelId": find_long_name(entry), "tags": tags}))


def find_long_name(entry: Object) -> Json:
    """Returns the model's id where its short name leaves out a part of it."""
    model = entry.get("modelId")
    return model if model != shorten_model(model) else None


def describe_problem(entry: Object) -> str | None:
    """Describes the error of a failed invocation; None where there is none."""
    code, message = find_first(entry, "errorCode", "error"), find_first(entry, "errorMessage")
    if code is None and message is None:
        return None
    return calls.describe_error({"code": code, "message": message} if message else code)


def count_tokens(given: Object, got: Object, fields: Object) -> Object:
    """Returns the tokens that the entry counts, those of the cache among them."""
    counts = [read_count(given.get(key)) for key in SENT]
    sent, made = sum(filter(None, counts)), read_count(got.get("outputTokenCount"))
    return {
        "tokens_in": sent if counts[0] is not None else fields.get("tokens_in"),
        "tokens_out": made if made is not None else fields.get("tokens_out"),
    }


SENT = ("inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")


def find_latency(response: Object) -> float | None:
    """Returns how long the invocation took, where the response has it."""
    took = get_object(response, "metrics").get("latencyMs")
    return read_number(took if took is not None else get_object(response, METRICS).get(TOOK))


TOOK = "invocationLatency"


def find_body(part: Object, side: str, reading: Reading) -> Object:
    """Returns a body: the entry's own, or that of the file it names.

    Raises:
        Refused: `missing-body`.
    """
    body = calls.decode_body(part.get(f"{side}BodyJson"))
    where = part.get(f"{side}BodyS3Path")
    if body or type(where) is not str or not where:
        return body
    for path in list_places(where, reading.path):
        if path.is_file() and (body := read_body(path)):
            return body
    raise Refused(
        "missing-body",
        f"The {side} is in a file of its own, {where.rpartition('/')[2]!r}, which is not beside "
        "the log; fetch its folder `data/` too, then run `andon quarantine replay`.",
    )


def list_places(where: str, path: Path | None) -> Iterator[Path]:
    """Lists the places where the file of a body may lie, seen from the log's."""
    if path is None:
        return
    name = where.rpartition("/")[2]
    key = where.partition("://")[2]
    yield path.parent / "data" / name
    yield path.parent / name
    yield path.parent.parent / "data" / name
    yield path.parent.parent / digest(key) / name  # as a remote inbox is copied
    yield path.parent.parent / digest(where) / name


def read_body(path: Path) -> Object:
    """Reads the file of a body; empty if it cannot be read."""
    try:
        with open_unpacked(path) as stream:
            items = [
                parse_wrapper(line.raw.decode("utf-8", "replace"))
                for line in read_documents(stream)
            ]
    except BROKEN:
        return {}
    return calls.decode_body(items[0] if len(items) == 1 and type(items[0]) is dict else items)


LOG = CallLog(NAME, list_entries, convert_entry, WITHOUT_BODIES)
