"""Spans in the form that every format yields, grouped by trace in bounded memory.

`facts` interprets their attributes; `assembly` builds traces of them.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

import orjson

from evals.records import Json

MEMORY_LIMIT = 64 * 2**20
"""Bytes of rows whose spans stay in memory; beyond them, spans go to disk by trace."""
BUCKETS = 128


class Event(NamedTuple):
    """An event during a span, or a log record that belongs to it."""

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
    """The row of the file that holds it."""


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
    """Merges the reports of each span by its id, and sorts the spans by time."""
    by_id: dict[str, Span] = {}
    without_id: list[Span] = []
    for span in spans:
        earlier = by_id.get(span.span_id)
        if not span.span_id:
            without_id.append(span)
        elif earlier is None:
            by_id[span.span_id] = span
        else:
            by_id[span.span_id] = merge_spans(earlier, span)
    return sorted([*by_id.values(), *without_id], key=order_by_time)


def order_by_time(span: Span) -> tuple[bool, int, int]:
    """Returns a sort key by time; spans without a time come last."""
    return span.start is None, span.start or 0, span.line


class SpanTree:
    """The parents and depths of a trace's spans, by index; a cycle among parents is cut."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        indexes = {span.span_id: index for index, span in enumerate(spans) if span.span_id}
        self.parents = [indexes.get(span.parent_id, -1) for span in spans]
        """The index of each span's parent; -1 where it is unknown."""
        self.depths: list[int] = [-1] * len(spans)
        for index in range(len(spans)):
            if self.depths[index] < 0:
                self.set_depths(index)
        self.root = self.find_root()

    def set_depths(self, index: int) -> None:
        """Sets the depths of a span and its ancestors."""
        parent = self.parents[index]
        if parent < 0 or self.depths[parent] >= 0:  # most spans begin after their parent
            self.depths[index] = self.depths[parent] + 1 if parent >= 0 else 0
            return
        path: list[int] = []
        while index >= 0 and self.depths[index] < 0:
            self.depths[index] = 0  # on the path: a second visit means a cycle
            path.append(index)
            index = self.parents[index]
        if path and index in path:
            self.parents[path[-1]] = index = -1
        depth = self.depths[index] + 1 if index >= 0 else 0
        for distance, ancestor in enumerate(reversed(path)):
            self.depths[ancestor] = depth + distance

    def find_root(self) -> int:
        """Finds the first span that names no parent, else the first whose parent is missing."""
        tops = [index for index, parent in enumerate(self.parents) if parent < 0]
        return next((index for index in tops if not self.spans[index].parent_id), tops[0])

    def find_ancestors(self, indexes: Iterable[int]) -> set[int]:
        """Finds all ancestors of some spans."""
        ancestors: set[int] = set()
        for index in indexes:
            index = self.parents[index]
            while index >= 0 and index not in ancestors:
                ancestors.add(index)
                index = self.parents[index]
        return ancestors


class SpanStore:
    """Groups spans by trace: in memory, or in files by a hash of the trace's id.

    Traces come out in the order of their first row; once on disk, file by file.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self.memory_limit, self.size = memory_limit, 0
        self.traces: dict[str, list[Span]] = {}
        self.files: list[IO[bytes]] = []
        """Temporary files without names, which end with the process."""

    def __enter__(self) -> SpanStore:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.close()

    def add_spans(self, spans: Iterable[Span], size: int) -> None:
        """Adds the spans of a row of `size` bytes."""
        self.size += size
        for span in spans:
            self.traces.setdefault(span.trace_id, []).append(span)
        if self.size > self.memory_limit:
            self.write_to_disk()

    def write_to_disk(self) -> None:
        """Moves the spans in memory to disk."""
        if not self.files:
            self.files = [tempfile.TemporaryFile(buffering=2**16) for _ in range(BUCKETS)]  # noqa: SIM115  closed in `__exit__`
        for trace_id, spans in self.traces.items():
            bucket = zlib.crc32(trace_id.encode("utf-8", "surrogatepass")) % BUCKETS
            self.files[bucket].writelines(format_span(span) for span in spans)
        self.traces, self.size = {}, 0

    def group_by_trace(self) -> Iterator[list[Span]]:
        """Yields the spans of each trace."""
        if not self.files:
            yield from self.traces.values()
            return
        self.write_to_disk()
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


def format_span(span: Span) -> bytes:
    """Formats a span as one line of JSON."""
    if span.events:
        span = span._replace(events=[tuple(event) for event in span.events])
    return orjson.dumps(tuple(span)) + b"\n"
