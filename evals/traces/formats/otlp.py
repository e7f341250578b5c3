"""OTLP JSON, as the OpenTelemetry Collector's file exporter and other writers of it spell it.

An envelope a row, of spans or of log records. Ids may be hex or base64, numbers may be text, enums
may be numbers or names. What attributes say is told in `facts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from evals.records import Json
from evals.traces.files import strict_json
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.rows.canonical import Found, Reading
from evals.traces.rows.shards import WHOLE, Share
from evals.traces.spans import genai, span_rows
from evals.traces.spans.span_rows import BAD_SPAN, NO_ID, identifier, nanoseconds
from evals.traces.spans.spans import Event, Span

NAME = "otlp"
ENVELOPE = re.compile(rb'(?<!\\)"resource_?(?:[Ss]pans|[Ll]ogs|[Mm]etrics)"\s*:\s*\[')
SPANS = ("resourceSpans", "resource_spans", "batches")
LOGS = ("resourceLogs", "resource_logs")
ERRORS = (2, "2", "STATUS_CODE_ERROR", "ERROR", "Error")
EVENTS = (*genai.EVENTS, genai.EVALUATION, "exception")
BIG = 2**63
MAX_DEPTH = 64
TOO_DEEP = "[nested too deep]"


def sniff(head: bytes, filename: str) -> bool:
    """Whether a file's rows are OTLP's envelopes."""
    return ENVELOPE.search(head) is not None


def read(rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
    """One trace or one refusal for each trace id found, and one refusal a row that is none."""
    return span_rows.read(rows, reading, FORMAT)


def spans_in(
    row: dict[str, Json], line: Line, share: Share = WHOLE
) -> Iterator[Span | Refused | None]:
    """The spans of an envelope; a log record is a span of its event alone."""
    for group in groups(row, SPANS, "scopeSpans"):
        resource = attributes(inside(group, "resource").get("attributes"))
        for scope in items(group, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
            name = scope_name(scope)
            for item in items(scope, "spans"):
                yield span_of(item, resource, name, line.number, share)
    for group in groups(row, LOGS, "scopeLogs"):
        resource = attributes(inside(group, "resource").get("attributes"))
        for scope in items(group, "scopeLogs", "scope_logs"):
            for record in items(scope, "logRecords", "log_records"):
                found = logged(record, resource, line.number)
                if isinstance(found, Span):
                    yield found if share.has(found.trace_id) else None
                elif found is not None:
                    yield found


def groups(row: dict[str, Json], names: Iterable[str], inner: str) -> list[Any]:
    """An envelope's entries, one a resource."""
    if inner in row:
        return [row]
    return items(row, *names)


def items(value: Json, *names: str) -> list[Any]:
    """The list under the first of some names; none where there is none."""
    if type(value) is dict:
        for name in names:
            found = value.get(name)
            if type(found) is list:
                return found
    return []


def inside(value: Json, name: str) -> dict[str, Json]:
    """The object under a name; an empty one where there is none."""
    found = value.get(name) if type(value) is dict else None
    return found if type(found) is dict else {}


def scope_name(scope: Json) -> str:
    """What instrumented it, and in which version."""
    told = inside(scope, "scope") or inside(scope, "instrumentationLibrary")
    name, version = told.get("name"), told.get("version")
    return " ".join(str(word) for word in (name, version) if word)[:200]


def span_of(
    item: Json, resource: dict[str, Json], scope: str, line: int, share: Share = WHOLE
) -> Span | Refused | None:
    """One span, or why it is none; None where it is another reader's."""
    if type(item) is not dict:
        return BAD_SPAN
    get = item.get
    trace_id = get("traceId", get("trace_id"))
    trace_id = identifier(trace_id) if type(trace_id) is str else ""
    if not trace_id:
        return NO_ID
    if not share.has(trace_id):
        return None
    span_id = get("spanId", get("span_id"))
    parent_id = get("parentSpanId", get("parent_span_id"))
    events = items(item, "events")
    status = get("status")
    return Span(
        trace_id,
        identifier(span_id) if type(span_id) is str else "",
        identifier(parent_id) if type(parent_id) is str else "",
        str(get("name") or ""),
        nanoseconds(get("startTimeUnixNano", get("start_time_unix_nano"))),
        nanoseconds(get("endTimeUnixNano", get("end_time_unix_nano"))),
        attributes(get("attributes")),
        [event_of(event) for event in events if type(event) is dict]
        if type(events) is list
        else (),
        failure(status) if status else "",
        resource,
        scope,
        line,
    )


def event_of(item: dict[str, Json]) -> Event:
    """One event of a span."""
    told = attributes(item.get("attributes"))
    ts = nanoseconds(item.get("timeUnixNano", item.get("time_unix_nano")))
    return Event(str(item.get("name") or told.get("event.name") or ""), told, None, ts)


def failure(status: Json) -> str:
    """What went wrong, where a status says that something did."""
    if type(status) is not dict or status.get("code") not in ERRORS:
        return ""
    return str(status.get("message") or "error")


def logged(record: Json, resource: dict[str, Json], line: int) -> Span | Refused | None:
    """A log record as a span of its event alone; None where it is no GenAI event."""
    if type(record) is not dict:
        return BAD_SPAN
    told = attributes(record.get("attributes"))
    name = record.get("eventName", record.get("event_name")) or told.pop("event.name", "")
    if name not in EVENTS and not str(name).startswith("feature_flag"):
        return None
    ids = [record.get(one, record.get(two)) for one, two in IDS]
    trace_id, span_id = (identifier(value) if type(value) is str else "" for value in ids)
    if not trace_id:
        return NO_ID
    moments = (record.get("timeUnixNano"), record.get("observedTimeUnixNano"))
    ts = next((found for moment in moments if (found := nanoseconds(moment))), None)
    event = Event(str(name), told, value_of(record.get("body")), ts)
    return Span(trace_id, span_id, "", "", None, None, {}, [event], "", resource, "", line)


IDS = (("traceId", "trace_id"), ("spanId", "span_id"))


def attributes(listed: Json, depth: int = 0) -> dict[str, Json]:
    """A list of keys and values as an object; of two equal keys the later holds."""
    found: dict[str, Json] = {}
    if type(listed) is dict:
        return listed if strict_json.survey(listed).depth <= MAX_DEPTH else {}
    items: list[Any] = listed if type(listed) is list else []
    for item in items:
        try:
            value = item["value"]
            text = value.get("stringValue")
            key = item["key"]
            found[key if type(key) is str else str(key)] = (
                text if type(text) is str else value_of(value, depth)
            )
        except (TypeError, KeyError, AttributeError):
            continue  # a key without a value says nothing
    return found


def value_of(value: Json, depth: int = 0) -> Json:
    """A value out of its wrapper of one type."""
    if type(value) is not dict:
        return None if type(value) is list else value
    for kind, inner in value.items():
        if (reader := READERS.get(kind)) is not None:
            return reader(inner)
        if (builder := BUILDERS.get(kind)) is not None:
            return builder(inner, depth + 1) if depth < MAX_DEPTH else TOO_DEEP
    return None


def integer(inner: Json) -> Json:
    """A whole number; one that 64 bits cannot hold stays text."""
    if type(inner) is str and len(inner) < 21 and inner.removeprefix("-").isdecimal():
        number = int(inner)
        return number if -BIG <= number < BIG else inner
    return double(inner)


def array(inner: Json, depth: int) -> list[Json]:
    """A list of values."""
    return [value_of(item, depth) for item in items(inner, "values")]


def keyed(inner: Json, depth: int) -> dict[str, Json]:
    """An object of values."""
    return attributes(items(inner, "values"), depth)


def plain(inner: Json) -> Json:
    """A value that is what it says; nothing that a wrapper should not hold."""
    return None if type(inner) in (list, dict) else inner


def double(inner: Json) -> Json:
    """A number; one that no column can hold stays text."""
    fits = type(inner) is not float or abs(inner) < BIG
    return plain(inner) if fits else str(inner)


def size_only(inner: Json) -> str:
    """What stands for bytes."""
    return f"[{len(inner) * 3 // 4 if type(inner) is str else 0} bytes]"


FORMAT = span_rows.Format(NAME, strict_json.envelope, spans_in)
READERS = {
    "stringValue": plain,
    "intValue": integer,
    "doubleValue": double,
    "boolValue": plain,
    "bytesValue": size_only,
    "string_value": plain,
    "int_value": integer,
    "double_value": double,
    "bool_value": plain,
    "bytes_value": size_only,
}
BUILDERS = {
    "arrayValue": array,
    "kvlistValue": keyed,
    "array_value": array,
    "kvlist_value": keyed,
}
