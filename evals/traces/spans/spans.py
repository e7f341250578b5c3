"""Spans as every format gives them, brought together by trace in bounded memory.

What the attributes mean is told in `facts`; how a trace is made of them, in `assembly`.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from evals.records import Json

HELD = 64 * 2**20
"""Bytes of rows whose spans are held in memory; of a larger file they go to disk by trace."""
BUCKETS = 128


class Event(NamedTuple):
    """Something that happened during a span, or a log record that belongs to it."""

    name: str
    attributes: dict[str, Json]
    body: Json = None
    ts: int | None = None
    """Nanoseconds since 1970."""


class Span(NamedTuple):
    """One operation of a trace, whatever system recorded it."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    name: str
    start: int | None
    """Nanoseconds since 1970."""
    end: int | None
    attributes: dict[str, Json]
    """Flat: dotted keys; a value may be a list or an object."""
    events: Sequence[Event] = ()
    error: str = ""
    """The error message, where the span's status is an error."""
    resource: dict[str, Json] = {}  # noqa: RUF012  never written to: one an envelope
    scope: str = ""
    line: int = 0
    """The row of the file it stands in."""


def merge_spans(earlier: Span, later: Span) -> Span:
    """Merges two reports of a span; the later one wins."""
    events = [*earlier.events, *(event for event in later.events if event not in earlier.events)]
    return later._replace(
        parent_id=later.parent_id or earlier.parent_id,
        name=later.name or earlier.name,
        start=earlier.start if later.start is None else later.start,
        end=earlier.end if later.end is None else later.end,
        attributes={**earlier.attributes, **later.attributes},
        events=events,
        error=later.error or earlier.error,
        resource=later.resource or earlier.resource,
        line=earlier.line,
    )


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """The spans of a trace, each once and in order of time; one without an id is its own."""
    by_id: dict[str, Span] = {}
    loose: list[Span] = []
    for span in spans:
        known = by_id.get(span.span_id)
        if not span.span_id:
            loose.append(span)
        elif known is None:
            by_id[span.span_id] = span
        else:
            by_id[span.span_id] = merge_spans(known, span)
    return sorted([*by_id.values(), *loose], key=order_by_time)


def order_by_time(span: Span) -> tuple[bool, int, int]:
    """Sorts spans by time; those without a time come last."""
    return span.start is None, span.start or 0, span.line


class Tree:
    """Who was called by whom; a cycle among parents is cut where it closes."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        places = {span.span_id: place for place, span in enumerate(spans) if span.span_id}
        self.parents = [places.get(span.parent_id, -1) for span in spans]
        self.depths: list[int] = [-1] * len(spans)
        for place in range(len(spans)):
            if self.depths[place] < 0:
                self.measure(place)
        self.root = self.find_root()

    def measure(self, place: int) -> None:
        """Sets the depths of a span and those above it."""
        parent = self.parents[place]
        if parent < 0 or self.depths[parent] >= 0:  # most spans begin after their parent
            self.depths[place] = self.depths[parent] + 1 if parent >= 0 else 0
            return
        path: list[int] = []
        while place >= 0 and self.depths[place] < 0:
            self.depths[place] = 0  # on the way: met again, it closes a cycle
            path.append(place)
            place = self.parents[place]
        if path and place in path:
            self.parents[path[-1]] = place = -1
        depth = self.depths[place] + 1 if place >= 0 else 0
        for below, at in enumerate(reversed(path)):
            self.depths[at] = depth + below

    def find_root(self) -> int:
        """The first span that names no parent, or else the first whose parent is not here."""
        tops = [place for place, parent in enumerate(self.parents) if parent < 0]
        return next((place for place in tops if not self.spans[place].parent_id), tops[0])

    def find_ancestors(self, places: Iterable[int]) -> set[int]:
        """The spans around some others."""
        found: set[int] = set()
        for place in places:
            place = self.parents[place]
            while place >= 0 and place not in found:
                found.add(place)
                place = self.parents[place]
        return found


class SpanStore:
    """Spans brought together by trace: in memory, or in files by a hash of the trace's id.

    Traces come out in the order of their first row, where there were files: file by file.
    """

    def __init__(self, held: int = HELD) -> None:
        self.held, self.size = held, 0
        self.traces: dict[str, list[Span]] = {}
        self.files: list[Any] = []
        """Without names: they end with the process, whatever ends that."""

    def __enter__(self) -> SpanStore:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.close()

    def add(self, spans: Iterable[Span], size: int) -> None:
        """Takes in the spans of a row of so many bytes."""
        self.size += size
        for span in spans:
            self.traces.setdefault(span.trace_id, []).append(span)
        if self.size > self.held:
            self.spill()

    def spill(self) -> None:
        """Writes what is held to disk."""
        if not self.files:
            self.files = [tempfile.TemporaryFile(buffering=2**16) for _ in range(BUCKETS)]  # noqa: SIM115  closed in `__exit__`
        for trace_id, spans in self.traces.items():
            bucket = zlib.crc32(trace_id.encode("utf-8", "surrogatepass")) % BUCKETS
            self.files[bucket].writelines(write_span(span) for span in spans)
        self.traces, self.size = {}, 0

    def by_trace(self) -> Iterator[list[Span]]:
        """The spans of each trace."""
        if not self.files:
            yield from self.traces.values()
            return
        self.spill()
        for file in self.files:
            file.seek(0)
            traces: dict[str, list[Span]] = {}
            for line in file:
                span = Span(*orjson.loads(line))
                if span.events:
                    span = span._replace(events=[Event(*event) for event in span.events])
                traces.setdefault(span.trace_id, []).append(span)
            yield from traces.values()
            file.truncate(0)


def write_span(span: Span) -> bytes:
    """A span as one line."""
    if span.events:
        span = span._replace(events=[tuple(event) for event in span.events])
    return orjson.dumps(tuple(span)) + b"\n"
