"""Turns rows of spans into traces, one for each trace id, for every format of spans.

A row that cannot be read becomes one refusal, and so does a trace that cannot be used. The format
knows which spans a row holds.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import functools
import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from evals.records import Json, Refusal
from evals.traces.files.streams import MAX_STORED, Line
from evals.traces.files.strict_json import Refused
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.rows.shards import Share
from evals.traces.spans.assembly import build_row
from evals.traces.spans.spans import Span, SpanStore
from evals.traces.spans.trace_spans import read_trace

NO_APP = Refused(
    "no-app",
    "No span of the trace names its service; set OTEL_SERVICE_NAME in the application, or `app` "
    "under `constants` in a mapping.",
)
NO_SPANS = Refused(
    "no-spans",
    "The row holds no spans and no GenAI events (metrics and plain logs are not read); leave it "
    "out of the export.",
)
NO_ID = Refused(
    "zero-trace-id",
    "The span's trace id is missing or all zeros, so it belongs to no trace; correct the exporter.",
)
BAD_SPAN = Refused("bad-span", "The span is not a JSON object; export it again as OTLP JSON.")


class SpanFormat(NamedTuple):
    """How a format reads a row."""

    name: str
    parse_row: Callable[[bytes], dict[str, Json]]
    list_spans: Callable[[dict[str, Json], Line, Share], Iterator[Span | Refused | None]]
    """Yields the spans of a row, a refusal for each that is invalid, and None for a span of
    another reader's share."""


def read_span_rows(
    rows: Iterable[Line], reading: Reading, form: SpanFormat
) -> Iterator[ImporterOutput]:
    """Yields the refusals of rows as they are read, then the traces and their labels."""
    reading = dataclasses.replace(reading, table=False)
    with collect_garbage_seldom(), SpanStore() as store:
        for line in rows:
            yield from add_row(line, reading, store, form)
        for spans in store.group_by_trace():
            yield from build_trace(spans, reading, form.name)


@contextlib.contextmanager
def collect_garbage_seldom() -> Generator[None]:
    """Makes garbage collection rare: spans are many, and have no cycles."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECTION_THRESHOLD), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


COLLECTION_THRESHOLD = 1_000_000
"""Objects made between two collections; with Python's default they take a fifth of a run."""


def add_row(line: Line, reading: Reading, store: SpanStore, form: SpanFormat) -> Iterator[Refusal]:
    """Adds a row's spans to the store; yields the refusals of what is invalid."""
    items: list[Span | Refused | None] = []
    try:
        row = parse_product_row(line, reading, form.parse_row)
        items += form.list_spans(row, line, reading.share)
        items = items or [NO_SPANS]
    except Refused as problem:
        items.append(problem)
    size = len(line.raw) // reading.share.of
    store.add_spans((item for item in items if isinstance(item, Span)), size)
    problems = [item for item in items if isinstance(item, Refused)]
    for problem in problems if reading.share.reports_row(line.number) else ():
        yield canonical.make_refusal(problem, line.raw, line.number, reading)


def build_trace(spans: list[Span], reading: Reading, form: str) -> Iterator[ImporterOutput]:
    """Yields the trace of some spans, or its refusal; then its labels."""
    line = min(span.line for span in spans)
    row: dict[str, Json] = {"trace_id": spans[0].trace_id}
    trace = None
    try:
        trace = read_trace(spans)
        row = build_row(trace)
        yield canonical.build_trace(row, reading, form, line)
    except Refused as problem:
        reason = NO_APP if problem.code == "no-app" else problem
        yield canonical.make_refusal(reason, format_spans(spans), line, reading, row)
    for facts in trace.facts if trace else ():
        for annotation in facts.annotations:
            label = canonical.make_label(spans[0].trace_id, *annotation)
            if label:
                yield label


def format_spans(spans: Sequence[Span]) -> bytes:
    """Formats spans as one row that can be read again, for quarantine."""
    rows: list[dict[str, object]] = []
    size = 0
    for span in spans:
        events = [{"name": e.name, "attributes": e.attributes} for e in span.events]
        rows.append(
            {
                "name": span.name,
                "context": {"trace_id": span.trace_id, "span_id": span.span_id},
                "parent_id": span.parent_id or None,
                "start_time": span.start,
                "end_time": span.end,
                "attributes": span.attributes,
                "events": events,
                "resource": {"attributes": span.resource},
            }
        )
        size += len(orjson.dumps(rows[-1]))
        if size > MAX_STORED:
            break
    return orjson.dumps({"spans": rows})


def normalize_id(text: str) -> str:
    """Converts the id of a trace or a span from base64 or upper-case hex to lower-case hex.

    Returns an empty text for all zeros, and any other text as it is.
    """
    return text if len(text) > SHORT else normalize_short_id(text)


@functools.lru_cache(maxsize=2**14)
def normalize_short_id(text: str) -> str:
    """Normalizes a short id."""
    text = text.removeprefix("0x")
    if len(text) in (24, 12) and text[-1] == "=":
        try:
            text = base64.b64decode(text, validate=True).hex()
        except (binascii.Error, ValueError):
            return text
    elif len(text) in (32, 16):
        lower = text.lower()
        text = lower if set(lower) <= HEX else text
    return text if text.strip("0-") else ""


HEX = set("0123456789abcdef")
SHORT = 64
"""Longer ids are not OpenTelemetry's, and are not cached."""


def to_nanoseconds(value: Json) -> int | None:
    """Converts a value to nanoseconds since 1970; None for zero and for what is no such number."""
    if type(value) is str and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if type(value) is int and 0 < value < 2**64 else None
