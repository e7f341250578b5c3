"""OTLP JSON, as the OpenTelemetry Collector's file exporter and others write it.

Each row is an envelope of spans or log records. Ids may be hex or base64, numbers may be text,
enums may be numbers or names. `facts` interprets the attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypedDict, cast

from evals.records import Json
from evals.traces.files import strict_json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.shards import WHOLE, Share
from evals.traces.spans import genai, span_rows
from evals.traces.spans.span_rows import BAD_SPAN, NO_ID, normalize_id, to_nanoseconds
from evals.traces.spans.spans import Event, Span

NAME = "otlp"
SPANS = ("resourceSpans", "resource_spans", "batches")
LOGS = ("resourceLogs", "resource_logs")
ENVELOPES = {*SPANS[:2], *LOGS, "resourceMetrics", "resource_metrics"}
"""Keys that only an envelope has."""
ENVELOPE = re.compile(rb'"resource_?(?:[Ss]pans|[Ll]ogs|[Mm]etrics)"\s*:\s*\[')
FIRST_KEY = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[?\s*\{\s*"(\w+)"\s*:\s*\[', re.ASCII)
"""The first key of the first row, where a list is under it: mostly all that must be looked at."""
ERRORS = (2, "2", "STATUS_CODE_ERROR", "ERROR", "Error")
EVENTS = (*genai.EVENTS, genai.EVALUATION, "exception")
INT64_LIMIT = 2**63
MAX_DEPTH = 64
TOO_DEEP = "[nested too deep]"


def sniff(head: bytes, filename: str) -> bool:
    """Whether a file's rows are OTLP's envelopes."""
    first = FIRST_KEY.match(head)
    if first and first[1].decode() in ENVELOPES:
        return True
    return ENVELOPE.search(head) is not None and not ENVELOPES.isdisjoint(list_key_paths(head))


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace or refusal for each trace id, and one refusal for each unreadable row."""
    return span_rows.read_span_rows(rows, reading, FORMAT)


def read_spans(
    row: dict[str, Json], line: Line, share: Share = WHOLE
) -> Iterator[Span | Refused | None]:
    """Yields the spans of an envelope; a log record becomes a span with only its event."""
    for group in list_groups(row, SPANS, "scopeSpans"):
        resource = read_attributes(get_object(group, "resource").get("attributes"))
        for scope in get_list(group, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            name = name_scope(scope)
            for item in get_list(scope, "spans"):
                yield build_span(item, resource, name, line.number, share)
    for group in list_groups(row, LOGS, "scopeLogs"):
        resource = read_attributes(get_object(group, "resource").get("attributes"))
        for scope in get_list(group, "scopeLogs", "scope_logs"):
            for record in get_list(scope, "logRecords", "log_records"):
                span = build_log_span(record, resource, line.number)
                if isinstance(span, Span):
                    yield span if share.has_trace(span.trace_id) else None
                elif span is not None:
                    yield span


def list_groups(row: dict[str, Json], names: Iterable[str], inner: str) -> list[Json]:
    """Lists an envelope's entries, one for each resource."""
    if inner in row:
        return [row]
    return get_list(row, *names)


def get_list(value: Json, *names: str) -> list[Json]:
    """Returns the list under the first of some names; an empty one if there is none."""
    if type(value) is dict:
        for name in names:
            listed = value.get(name)
            if type(listed) is list:
                return listed
    return []


def get_object(value: Json, name: str) -> dict[str, Json]:
    """Returns the object under a name; an empty one if there is none."""
    inner = value.get(name) if type(value) is dict else None
    return inner if type(inner) is dict else {}


def name_scope(scope: Json) -> str:
    """Returns the name and version of the instrumentation."""
    instrumentation = get_object(scope, "scope") or get_object(scope, "instrumentationLibrary")
    name, version = instrumentation.get("name"), instrumentation.get("version")
    return " ".join(str(word) for word in (name, version) if word)[:200]


def build_span(
    item: Json, resource: dict[str, Json], scope: str, line: int, share: Share = WHOLE
) -> Span | Refused | None:
    """Builds a span, or returns why it is none; None if another reader takes it."""
    if type(item) is not dict:
        return BAD_SPAN
    get = item.get
    trace_id = get("traceId", get("trace_id"))
    trace_id = normalize_id(trace_id) if type(trace_id) is str else ""
    if not trace_id:
        return NO_ID
    if not share.has_trace(trace_id):
        return None
    span_id = get("spanId", get("span_id"))
    parent_id = get("parentSpanId", get("parent_span_id"))
    events = get_list(item, "events")
    status = get("status")
    return Span(
        trace_id,
        normalize_id(span_id) if type(span_id) is str else "",
        normalize_id(parent_id) if type(parent_id) is str else "",
        str(get("name") or ""),
        to_nanoseconds(get("startTimeUnixNano", get("start_time_unix_nano"))),
        to_nanoseconds(get("endTimeUnixNano", get("end_time_unix_nano"))),
        read_attributes(get("attributes")),
        [build_event(event) for event in events if type(event) is dict]
        if type(events) is list
        else (),
        find_error(status) if status else "",
        resource,
        scope,
        line,
    )


def build_event(item: dict[str, Json]) -> Event:
    """Builds an event of a span."""
    attributes = read_attributes(item.get("attributes"))
    ts = to_nanoseconds(item.get("timeUnixNano", item.get("time_unix_nano")))
    return Event(str(item.get("name") or attributes.get("event.name") or ""), attributes, None, ts)


def find_error(status: Json) -> str:
    """Returns the error message of a status; empty if it is no error."""
    if type(status) is not dict or status.get("code") not in ERRORS:
        return ""
    return str(status.get("message") or "error")


def build_log_span(record: Json, resource: dict[str, Json], line: int) -> Span | Refused | None:
    """Builds a span with only a log record's event; None if it is no GenAI event."""
    if type(record) is not dict:
        return BAD_SPAN
    attributes = read_attributes(record.get("attributes"))
    name = record.get("eventName", record.get("event_name")) or attributes.pop("event.name", "")
    if name not in EVENTS and not str(name).startswith("feature_flag"):
        return None
    ids = [record.get(camel, record.get(snake)) for camel, snake in IDS]
    trace_id, span_id = (normalize_id(value) if type(value) is str else "" for value in ids)
    if not trace_id:
        return NO_ID
    times = (record.get("timeUnixNano"), record.get("observedTimeUnixNano"))
    ts = next((nanoseconds for time in times if (nanoseconds := to_nanoseconds(time))), None)
    event = Event(str(name), attributes, read_value(record.get("body")), ts)
    return Span(trace_id, span_id, "", "", None, None, {}, [event], "", resource, "", line)


IDS = (("traceId", "trace_id"), ("spanId", "span_id"))


class AttributePair(TypedDict):
    """A key with its value, as OTLP lists attributes; items of another shape are skipped."""

    key: Json
    value: dict[str, Json]


def read_attributes(listed: Json, depth: int = 0) -> dict[str, Json]:
    """Converts a list of keys and values to an object; the later of two equal keys wins."""
    attributes: dict[str, Json] = {}
    if type(listed) is dict:
        return listed if strict_json.survey_value(listed).depth <= MAX_DEPTH else {}
    items = listed if type(listed) is list else []
    pairs = cast("list[AttributePair]", items)
    for pair in pairs:
        try:
            value = pair["value"]
            text = value.get("stringValue")
            key = pair["key"]
            attributes[key if type(key) is str else str(key)] = (
                text if type(text) is str else read_value(value, depth)
            )
        except (TypeError, KeyError, AttributeError):
            continue  # an item without a key or a value is skipped
    return attributes


def read_value(value: Json, depth: int = 0) -> Json:
    """Takes a value out of its type wrapper."""
    if type(value) is not dict:
        return None if type(value) is list else value
    for kind, inner in value.items():
        if (reader := READERS.get(kind)) is not None:
            return reader(inner)
        if (builder := BUILDERS.get(kind)) is not None:
            return builder(inner, depth + 1) if depth < MAX_DEPTH else TOO_DEEP
    return None


def read_integer(inner: Json) -> Json:
    """Reads a whole number; one beyond 64 bits stays text."""
    if type(inner) is str and len(inner) < 21 and inner.removeprefix("-").isdecimal():
        number = int(inner)
        return number if -INT64_LIMIT <= number < INT64_LIMIT else inner
    return read_number(inner)


def read_array(inner: Json, depth: int) -> list[Json]:
    """Reads a list of values."""
    return [read_value(item, depth) for item in get_list(inner, "values")]


def read_object(inner: Json, depth: int) -> dict[str, Json]:
    """Reads an object of values."""
    return read_attributes(get_list(inner, "values"), depth)


def read_plain(inner: Json) -> Json:
    """Reads a scalar; None for a list or an object."""
    return None if type(inner) in (list, dict) else inner


def read_number(inner: Json) -> Json:
    """Reads a number; one too large for a column stays text."""
    fits = type(inner) is not float or abs(inner) < INT64_LIMIT
    return read_plain(inner) if fits else str(inner)


def describe_bytes(inner: Json) -> str:
    """Describes bytes by their size."""
    return f"[{len(inner) * 3 // 4 if type(inner) is str else 0} bytes]"


FORMAT = span_rows.SpanFormat(NAME, strict_json.parse_envelope, read_spans)
READERS = {
    "stringValue": read_plain,
    "intValue": read_integer,
    "doubleValue": read_number,
    "boolValue": read_plain,
    "bytesValue": describe_bytes,
    "string_value": read_plain,
    "int_value": read_integer,
    "double_value": read_number,
    "bool_value": read_plain,
    "bytes_value": describe_bytes,
}
BUILDERS = {
    "arrayValue": read_array,
    "kvlistValue": read_object,
    "array_value": read_array,
    "kvlist_value": read_object,
}
