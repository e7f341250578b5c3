"""MLflow: traces as JSON of schemas 2 and 3, tables of `search_traces`, and pages of its API.

A trace is its `info` and its spans; `mlflow_attributes` converts the spans' attributes, and
`mlflow_assessments` reads feedback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.mlflow_assessments import list_expectations, read_assessments
from evals.traces.formats.otlp import find_error
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.spans.item_rows import Item, ItemFormat, Place, read_item_rows, require_trace_id
from evals.traces.spans.mlflow_attributes import INPUTS, OUTPUTS, REQUEST_ID, TYPE, decode_value
from evals.traces.spans.observations import (
    COMMIT,
    EMPTY,
    Object,
    find_value,
    list_objects,
    parse_object,
    split_people,
    to_text,
)
from evals.traces.spans.span_rows import normalize_id
from evals.traces.spans.spans import Event, Span
from evals.traces.spans.values import parse_literal, read_timestamp, to_number

NAME = "mlflow"
INFO = ("info", "trace_info")
IDS = ("trace_id", "request_id")
STARTS = ("request_time", "timestamp_ms", "timestamp")
DURATIONS = ("execution_duration", "execution_duration_ms", "execution_time_ms")
METADATA = ("trace_metadata", "request_metadata")
TABLE = {"execution_duration", "execution_duration_ms", "execution_time_ms", "request", "spans"}
SESSION, USER = "mlflow.trace.session", "mlflow.trace.user"
COMMIT_KEY, MODEL_KEY = "mlflow.source.git.commit", "mlflow.modelId"
PROMPTS = "mlflow.linkedPrompts"
SPAN_HOLDERS = {*INFO, "trace", "traces", "data", "spans", "attributes", f"attributes.{REQUEST_ID}"}
"""Keys of rows under which spans or their attributes are, as objects or as their text."""
OWN = "mlflow."
"""The beginning of MLflow's own keys of metadata and tags."""


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are MLflow's traces, infos of traces, or spans."""
    paths = list_key_paths(head)
    for under in ("", "info.", "traces.", "traces.info.", "trace.", "trace.info.", "trace_info."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        if keys & set(METADATA) and keys & {*TABLE, "trace_location", "experiment_id", "state"}:
            return True
    return REQUEST_ID.encode() in head and not SPAN_HOLDERS.isdisjoint(paths)


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the feedback in each row and its refusals, then the traces."""
    return read_item_rows(rows, reading, FORM)


def list_items(row: Object) -> list[Json]:
    """Lists the traces of a page, or the row itself."""
    traces = row.get("traces")
    return traces if type(traces) is list else [row]


def read_item(item: Object, place: Place) -> Iterator[Item]:
    """Yields the spans of a trace and the feedback on it; or the one span that a row is.

    Raises:
        Refused: the row is neither, or names no trace.
    """
    row = {key: parse_literal(value) for key, value in item.items()} if place.is_table else item
    trace = unwrap_trace(row)
    if "start_time_unix_nano" in trace or "context" in trace:
        yield build_span(trace, "", place.line)
        return
    info = find_info(trace)
    if not info and any(trace.get(key) not in EMPTY for key in INFO):
        raise Refused("wrong-type", "The trace's `info` is no object; export the trace again.")
    data = parse_object(trace.get("data")) or trace
    items = parse_literal(data.get("spans"))
    given: list[Json] = items if type(items) is list else []
    if not info and not given:
        raise Refused(
            "not-mlflow",
            "The row is no trace of MLflow; write `trace.to_json()` of each trace, or the table "
            "that `mlflow.search_traces()` returns.",
        )
    if any(type(each) is not dict for each in given):
        raise Refused("bad-span", "A span of the trace is no JSON object; export the trace again.")
    trace_id = to_text(find_value(info, IDS))
    spans = [build_span(each, trace_id, place.line) for each in list_objects(given)]
    trace_id = require_trace_id(trace_id or (spans[0].trace_id if spans else ""), "trace_id")
    yield from read_assessments(info.get("assessments"), trace_id, place.line)
    yield from complete_root(spans, build_root(info, data, trace_id, place.line))


def unwrap_trace(item: Object) -> Object:
    """Takes a trace out of the `trace` that holds it: an object of the API, or a column of JSON."""
    inner = parse_object(item.get("trace"))
    return inner if any(key in inner for key in (*INFO, "data", "spans")) else item


def find_info(trace: Object) -> Object:
    """Finds the info of a trace: under its key, or in the columns of a table."""
    for key in INFO:
        if trace.get(key) not in EMPTY:
            return parse_object(trace[key])
    return trace if find_value(trace, METADATA) is not None or "state" in trace else {}


def build_span(item: Object, trace_id: str, line: int) -> Span:
    """Builds a span of either schema; its trace id is MLflow's, where one is known.

    Raises:
        Refused: the span names no trace.
    """
    attributes = parse_object(parse_literal(item.get("attributes")))
    context, status = parse_object(item.get("context")), item.get("status")
    if type(status) is not dict:
        status = {"code": item.get("status_code"), "message": item.get("status_message")}
    own_id = to_text(decode_value(attributes.get(REQUEST_ID)))
    recorded = to_text(context.get("trace_id", item.get("trace_id")))
    trace_id = trace_id or own_id or normalize_id(recorded)
    events = parse_literal(item.get("events"))
    return Span(
        require_trace_id(trace_id, "trace_id"),
        normalize_id(to_text(context.get("span_id", item.get("span_id")))),
        normalize_id(to_text(find_value(item, ("parent_span_id", "parent_id")))),
        to_text(item.get("name")),
        read_timestamp(find_value(item, ("start_time_unix_nano", "start_time"))),
        read_timestamp(find_value(item, ("end_time_unix_nano", "end_time"))),
        attributes,
        [build_event(event) for event in list_objects(events)],
        find_error(status),
        {},
        "",
        line,
    )


def build_event(item: Object) -> Event:
    """Builds an event of a span."""
    ts = read_timestamp(find_value(item, ("time_unix_nano", "timestamp")))
    return Event(to_text(item.get("name")), parse_object(item.get("attributes")), None, ts)


def build_root(info: Object, data: Object, trace_id: str, line: int) -> Span:
    """Builds the span that a trace's info describes, for a trace without its root's span."""
    start = read_timestamp(find_value(info, STARTS))
    duration = to_number(find_value(info, DURATIONS))
    if start is None and find_value(info, STARTS) is not None:
        raise Refused(
            "bad-timestamp",
            "The start of the trace is no time; expected ISO 8601 or milliseconds since 1970.",
        )
    took = round(duration * 10**6) if isinstance(duration, int | float) else None
    attributes = describe_info(info)
    for name, key in SIDES.items():
        if info is data and info.get(key) not in EMPTY:
            attributes[name] = orjson.dumps(info[key]).decode()
        elif value := data.get(key) or info.get(f"{key}_preview"):
            attributes[name] = value
    tags = read_map(info.get("tags"))
    failed = to_text(find_value(info, ("state", "status"))).endswith("ERROR")
    return Span(
        trace_id,
        "",
        "",
        to_text(tags.get("mlflow.traceName")),
        start,
        start + took if start and took is not None else None,
        attributes,
        (),
        "error" if failed else "",
        describe_resource(info),
        "",
        line,
    )


SIDES = {INPUTS: "request", OUTPUTS: "response"}
"""Where a trace has its input and output; in a table they are decoded, elsewhere JSON text."""


def complete_root(spans: list[Span], info: Span) -> Iterator[Span]:
    """Yields the spans, the root with what the trace's info has; or the info's span as the root."""
    roots = [span for span in spans if not span.parent_id]
    if not roots:
        yield from spans
        yield info._replace(span_id="", parent_id="")
        return
    root = roots[0]
    sides = {key for key in (INPUTS, OUTPUTS) if key in root.attributes}
    extra = {key: value for key, value in info.attributes.items() if key not in {*sides, TYPE}}
    merged = root._replace(
        attributes={**extra, **root.attributes},
        resource=info.resource,
        start=root.start or info.start,
        end=root.end or info.end,
        error=root.error or info.error,
        name=root.name or info.name,
    )
    yield from (merged if span is root else span for span in spans)


def read_map(value: Json) -> Object:
    """Reads metadata or tags: an object, its text, or a list of keys and values."""
    value = parse_literal(value)
    pairs = {to_text(item.get("key")): item.get("value") for item in list_objects(value)}
    return pairs or parse_object(value)


def read_metadata(info: Object) -> Object:
    """Reads the metadata of a trace."""
    return read_map(find_value(info, METADATA))


def describe_info(info: Object) -> Object:
    """Describes a trace's info as attributes of its root; a team's own keys are its metadata."""
    metadata, tags = read_metadata(info), read_map(info.get("tags"))
    own = {key: value for key, value in (metadata | tags).items() if not key.startswith(OWN)}
    for key in ("client_request_id", "experiment_id"):
        own |= {key: info[key]} if info.get(key) not in EMPTY else {}
    own |= list_expectations(info.get("assessments"))
    people, own = split_people(own)
    named: Object = {"session.id": metadata.get(SESSION), "user.id": metadata.get(USER)}
    attributes: Object = {
        TYPE: "CHAIN",
        **people,
        **{key: value for key, value in named.items() if value not in EMPTY},
        "model.version": metadata.get(MODEL_KEY),
        PROMPTS: tags.get(PROMPTS) or metadata.get(PROMPTS),
        "metadata": {key: value for key, value in own.items() if value is not None},
    }
    return {key: value for key, value in attributes.items() if value not in EMPTY}


def describe_resource(info: Object) -> Object:
    """Describes where a trace was recorded: the commit of its source."""
    commit = read_metadata(info).get(COMMIT_KEY)
    is_commit = type(commit) is str and COMMIT.fullmatch(commit)
    return {"vcs.ref.head.revision": commit} if is_commit else {}


def identify(item: Object) -> Object:
    """Returns the id and the start of a refused trace or span."""
    info = find_info(unwrap_trace(item)) or item
    start = find_value(info, STARTS)
    return {"trace_id": find_value(info, IDS), "ts": start if type(start) is str else None}


FORM = ItemFormat(NAME, list_items, read_item, identify)
