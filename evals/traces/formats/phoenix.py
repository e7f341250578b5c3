"""Spans as objects, one a row: Phoenix's exports, and what OpenTelemetry's SDKs print.

Phoenix exports them through its API (flat or nested attributes) and as tables with one column for
each attribute. `facts` interprets the attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused, parse_inner, parse_line
from evals.traces.formats.otlp import find_error, get_list, get_object
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.shards import Share
from evals.traces.spans import span_rows
from evals.traces.spans.span_rows import BAD_SPAN, NO_ID, normalize_id
from evals.traces.spans.spans import Event, Span
from evals.traces.spans.values import flatten, parse_literal, read_timestamp

Object = dict[str, Json]


class SpanObjects(NamedTuple):
    """A format with one object for each span."""

    NAME: str
    ids: tuple[str, ...]
    """Keys that name a span's trace, one of which a span has."""
    mark: re.Pattern[bytes] | None = None
    """What the text of such spans contains too."""

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether a file's rows are such spans."""
        paths = list_key_paths(head)
        return any(
            any(f"{under}{key}" in paths for key in self.ids)
            and any(f"{under}{key}" in paths for key in BESIDE_IDS)
            for under in ("", *(f"{name}." for name in HOLDERS))
        ) and (self.mark is None or self.mark.search(head) is not None)

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
        """Yields one trace or refusal for each trace id, one refusal for each unreadable row."""
        form = span_rows.SpanFormat(self.NAME, parse_line, read_spans)
        return span_rows.read_span_rows(rows, reading, form)


HOLDERS = ("data", "spans")
"""Keys under which a page lists spans."""
BESIDE_IDS = ("name", "attributes", "start_time", "startTime", "span_kind", "parent_id", "events")
"""Keys of a span, one of which is beside its ids; a row whose `context` is passages has none."""
SDK = SpanObjects(
    "otel-sdk",
    ("spanContext", "context.trace_id"),
    re.compile(rb'"spanContext"\s*:\s*\{|"context"\s*:\s*\{\s*"trace_id"\s*:\s*"0x'),
)
PHOENIX = SpanObjects("phoenix", ("context.trace_id", "context.span_id"))


def read_spans(row: dict[str, Json], line: Line, _share: Share) -> Iterator[Span | Refused]:
    """Yields the spans of a row: the row itself, or those it lists."""
    listed = get_list(row, *HOLDERS)
    for item in listed or [row]:
        yield build_span(item, line.number) if type(item) is dict else BAD_SPAN


def build_span(item: dict[str, Json], line: int) -> Span | Refused:
    """Builds a span, or returns why it is none."""
    context = get_object(item, "context") or get_object(item, "spanContext")
    trace_id = find_id(context, item, "trace_id", "traceId", "context.trace_id")
    if not trace_id:
        return NO_ID
    parent = get_object(item, "parentSpanContext") or {
        "span_id": item.get("parent_id", item.get("parentSpanId"))
    }
    status = item.get("status")
    if type(status) is not dict:
        status = {"code": item.get("status_code"), "message": item.get("status_message")}
    code = status.get("code", status.get("status_code"))
    message = status.get("message", status.get("description"))
    events = parse_literal(item.get("events"))
    scope = get_object(item, "instrumentationScope") or get_object(item, "instrumentationLibrary")
    return Span(
        trace_id,
        find_id(context, item, "span_id", "spanId", "context.span_id", zeros=True),
        find_id(parent, item, "span_id", "spanId", zeros=True),
        str(item.get("name") or ""),
        read_timestamp(item.get("start_time", item.get("startTime"))),
        read_timestamp(item.get("end_time", item.get("endTime"))),
        read_attributes(item),
        [build_event(e) for e in events if type(e) is dict] if type(events) is list else (),
        find_error({"code": code, "message": message}),
        flatten(get_object(get_object(item, "resource"), "attributes")),
        str(scope.get("name") or "")[:200],
        line,
    )


def find_id(
    first: dict[str, Json], second: dict[str, Json], *names: str, zeros: bool = False
) -> str:
    """Returns the id under the first of some names; with `zeros`, also one of zeros alone."""
    for place in (first, second):
        for name in names:
            value = place.get(name)
            if type(value) is str and value:
                return normalize_id(value) or (value if zeros else "")
    return ""


def build_event(item: dict[str, Json]) -> Event:
    """Builds an event of a span."""
    ts = read_timestamp(item.get("timestamp", item.get("time")))
    return Event(str(item.get("name") or ""), flatten(get_object(item, "attributes")), None, ts)


def read_attributes(item: dict[str, Json]) -> dict[str, Json]:
    """Reads the attributes of a span from whichever columns have them."""
    attributes: dict[str, Json] = {}
    for key, value in item.items():
        if key.startswith("attributes.") and value is not None:
            attributes[key[11:]] = parse_literal(value, parse_inner)
        elif key.startswith("eval.") and value is not None:
            add_evaluation(attributes, key, value)
    attributes = {**flatten(get_object(item, "attributes")), **flatten(attributes)}
    kind = item.get("span_kind")
    if type(kind) is str and kind and "openinference.span.kind" not in attributes:
        attributes["openinference.span.kind"] = kind
    for name in ("annotations", "span_annotations"):
        if type(listed := item.get(name)) is list:
            attributes.setdefault("annotations", listed)
    return attributes


def add_evaluation(attributes: dict[str, Json], key: str, value: Json) -> None:
    """Adds a column of an evaluation (`eval.Tone.label`) to the annotation of that name."""
    name, _, part = key[5:].rpartition(".")
    if name and part in ("label", "score", "explanation"):
        annotations = attributes.setdefault("annotations", [])
        annotation = find_annotation(annotations, name) if type(annotations) is list else {}
        annotation[part] = value


def find_annotation(annotations: list[Json], name: str) -> dict[str, Json]:
    """Returns the annotation of a name in a list; adds one if there is none."""
    for annotation in annotations:
        if type(annotation) is dict and annotation.get("name") == name:
            return annotation
    new: dict[str, Json] = {"name": name}
    annotations.append(new)
    return new
