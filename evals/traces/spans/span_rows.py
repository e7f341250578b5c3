"""Rows that hold spans to traces: the way every span format goes, one trace for each id found.

A row that cannot be read is one refusal, and so is a trace that cannot be used; which spans a row
holds is the format's.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import functools
import gc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from evals.records import Json, Refusal
from evals.traces.files.streams import KEPT, Line
from evals.traces.files.strict_json import Parsed, Refused
from evals.traces.rows import canonical
from evals.traces.rows.canonical import Found, Reading
from evals.traces.rows.shards import Share
from evals.traces.spans import assembly
from evals.traces.spans.spans import Span, SpanStore

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
    "The span's trace id is missing or all zeros, so nothing can be told apart; mend the exporter.",
)
BAD_SPAN = Refused("bad-span", "The span is no object; export it again as OTLP JSON.")


class Format(NamedTuple):
    """What a format does with a row."""

    name: str
    parse: Callable[[bytes], dict[str, Json]]
    take: Callable[[dict[str, Json], Line, Share], Iterator[Span | Refused | None]]
    """The spans of a row, a reason for each that cannot be one, and None for another reader's."""


def read(rows: Iterable[Line], reading: Reading, form: Format) -> Iterator[Found]:
    """What a format's rows hold: refusals as they are met, then traces and their labels."""
    reading = dataclasses.replace(reading, table=False)
    with collect_garbage_seldom(), SpanStore() as gathered:
        for line in rows:
            yield from gather_row(line, reading, gathered, form)
        for spans in gathered.by_trace():
            yield from build_trace(spans, reading, form.name)


@contextlib.contextmanager
def collect_garbage_seldom() -> Iterator[None]:
    """Looks for cycles in memory seldom: spans have none, and are many."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECT), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


COLLECT = 1_000_000
"""Objects made between two collections; all there are looked at each time cost a fifth of a run."""


def gather_row(
    line: Line, reading: Reading, gathered: SpanStore, form: Format
) -> Iterator[Refusal]:
    """Gathers a row's spans; yields what of it cannot be used."""
    found: list[Span | Refused | None] = []
    try:
        found += form.take(form.parse(canonical.check_row(line)), line, reading.share)
        found = found or [NO_SPANS]
    except Refused as problem:
        found.append(problem)
    size = len(line.raw) // reading.share.of
    gathered.add((item for item in found if isinstance(item, Span)), size)
    problems = [item for item in found if isinstance(item, Refused)]
    for problem in problems if reading.share.reports_row(line.number) else ():
        yield canonical.make_refusal(problem, line.raw, line.number, reading)


def build_trace(spans: list[Span], reading: Reading, form: str) -> Iterator[Found]:
    """Builds the trace of some spans, or its refusal; then yields its labels."""
    line = min(span.line for span in spans)
    row: dict[str, Json] = {"trace_id": spans[0].trace_id}
    whole = None
    try:
        whole = assembly.read_trace(spans)
        row = assembly.build_row(whole)
        yield canonical.build_trace(Parsed(row, plain=False), reading, form, line)
    except Refused as problem:
        told = NO_APP if problem.code == "no-app" else problem
        yield canonical.make_refusal(told, write_spans(spans), line, reading, Parsed(row, True))
    for facts in whole.facts if whole else ():
        for said in facts.labels:
            label = canonical.make_label(spans[0].trace_id, **said)
            if label:
                yield label


def write_spans(spans: list[Span]) -> bytes:
    """The spans as one row that can be read again, for quarantine."""
    rows: list[dict[str, Any]] = []
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
        if size > KEPT:
            break
    return orjson.dumps({"spans": rows})


def normalize_id(text: str) -> str:
    """A trace's or span's id: base64 of 16 or 8 bytes and hex of either case as lower hex.

    Empty where it is all zeros; any other text as it is.
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
"""Longer ids are none of OpenTelemetry's, and not remembered."""


def to_nanoseconds(value: Json) -> int | None:
    """A moment in nanoseconds since 1970; None for zero and for what is no number of them."""
    if type(value) is str and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if type(value) is int and 0 < value < 2**64 else None
