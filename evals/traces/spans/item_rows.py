"""Reads rows of products' exports: an item is a trace, a span, a score, or a page of such.

A bad item is refused by itself. The formats know what an item holds; `assembly` builds the traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import orjson

from evals.records import Json, Label, NonAnswer, Refusal, Trace
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.spans.assembly import build_row
from evals.traces.spans.observations import Object
from evals.traces.spans.span_rows import collect_garbage_seldom, format_spans
from evals.traces.spans.spans import Span, SpanStore
from evals.traces.spans.trace_spans import read_trace

Item: TypeAlias = Span | Label | NonAnswer


class Place(NamedTuple):
    """Where an item is."""

    line: int
    is_table: bool
    """Whether it is a row of CSV or Parquet, whose text may represent a list or an object."""


NO_OBJECT = Refused(
    "wrong-type", "The item is no JSON object; expected a trace, a span or a score: export again."
)


class ItemFormat(NamedTuple):
    """How a format reads its rows."""

    name: str
    list_items: Callable[[Object], list[Json]]
    """Lists the items of a row: of a page, or the row itself."""
    read_item: Callable[[Object, Place], Iterable[Item]]
    """Yields the spans and labels of an item, and scores that are no label.

    Raises Refused where it is no item.
    """
    identify: Callable[[Object], Object]
    """Returns what identifies a refused item: its `trace_id` and `ts`, where it has them."""
    unite: Callable[[list[Span]], list[Span]] = list
    """Returns the spans of a trace with their root; raises Refused where they are no trace.

    By default the spans as they are, one of which is the root.
    """


def read_item_rows(
    rows: Iterable[Line], reading: Reading, form: ItemFormat
) -> Iterator[ImporterOutput]:
    """Yields labels and refusals as they come, then the traces built from the spans."""
    with collect_garbage_seldom(), SpanStore() as store:
        for line in rows:
            try:
                items = form.list_items(parse_product_row(line, reading))
            except Refused as problem:
                yield canonical.make_refusal(problem, line.raw, line.number, reading)
                continue
            for item in items:
                raw = line.raw if len(items) == 1 else orjson.dumps(item)
                yield from add_item(item, line._replace(raw=raw), reading, form, store)
        for spans in store.group_by_trace():
            yield build_united(spans, reading, form)


def add_item(
    item: Json, line: Line, reading: Reading, form: ItemFormat, store: SpanStore
) -> Iterator[ImporterOutput]:
    """Stores an item's spans and yields its labels, or its refusal."""
    try:
        if type(item) is not dict:
            raise NO_OBJECT
        rows = list(form.read_item(item, Place(line.number, reading.table)))
    except Refused as problem:
        ids = form.identify(item) if type(item) is dict else {}
        yield canonical.make_refusal(problem, line.raw, line.number, reading, ids)
        return
    store.add_spans((row for row in rows if isinstance(row, Span)), len(line.raw))
    yield from (row for row in rows if not isinstance(row, Span))


def build_united(spans: list[Span], reading: Reading, form: ItemFormat) -> ImporterOutput:
    """Builds the trace of some spans, or its refusal."""
    try:
        united = form.unite(spans)
    except Refused as problem:
        line = min(span.line for span in spans)
        ids: dict[str, Json] = {"trace_id": spans[0].trace_id}
        return canonical.make_refusal(problem, format_spans(spans), line, reading, ids)
    return build_trace(united, reading, form.name, {})


def build_trace(
    spans: list[Span], reading: Reading, form: str, more: Mapping[str, Json], app: str | None = None
) -> Trace | Refusal:
    """Builds the trace of some spans, or its refusal.

    Args:
        spans: The spans of the trace.
        reading: How the file is read.
        form: The format's name.
        more: Fields that replace those of the spans.
        app: The application, where no span names one.
    """
    line = min(span.line for span in spans)
    row: dict[str, Json] = {"trace_id": spans[0].trace_id}
    try:
        row = {**build_row(read_trace(spans), app), **more}
        return canonical.build_trace(row, reading, form, line)
    except Refused as problem:
        return canonical.make_refusal(problem, format_spans(spans), line, reading, row)


def require_trace_id(trace_id: str, key: str) -> str:
    """Returns a trace id.

    Raises:
        Refused: it is empty.
    """
    if not trace_id:
        raise Refused("no-trace-id", f"The item has no `{key}`; export it with that field.")
    return trace_id
