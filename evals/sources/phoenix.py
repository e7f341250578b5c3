"""Phoenix's API: the spans of a project, each with the annotations people and evaluators gave it.

Rows land as the API returns them, a span a line, its annotations under `annotations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from evals.records import Json
from evals.sources.api import Api
from evals.sources.json_shapes import (
    Object,
    require_object,
    require_objects,
    require_text,
    text_or_empty,
)
from evals.sources.pages import LoopDetector, Page, Row, TimeRange, read_key
from evals.specs import Source

SPANS_A_CALL = 100
"""How many spans' annotations one call requests."""


def open_api(source: Source) -> Api:
    """Returns a client, with a key where one is declared."""
    secret = read_key(source, source.secret)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return Api(
        source.name,
        source.url,
        headers=headers,
        variables=(source.secret,) if source.secret else (),
        per_minute=source.per_minute,
    )


class ListingPage(NamedTuple):
    """One page of a listing, and the cursor of the next; None after the last."""

    items: list[Object]
    cursor: str | None


def parse_page(answer: Json) -> ListingPage:
    """Parses a page of a listing."""
    page = require_object(answer)
    cursor = page.get("next_cursor")
    return ListingPage(require_objects(page["data"]), require_text(cursor) if cursor else None)


def read_pages(
    api: Api, source: Source, project: str, during: TimeRange, position: str | None
) -> Iterator[Page]:
    """Yields pages of spans; a position is the API's own cursor."""
    path = f"/v1/projects/{quote(project, safe='')}"
    cursor = position
    while True:
        answer = api.get(
            f"{path}/spans",
            limit=source.page_size,
            cursor=cursor,
            start_time=during.start,
            end_time=during.end,
        )
        spans, cursor = parse_page(answer)
        notes = list_annotations(api, path, [read_span_id(span) for span in spans])
        yield Page([make_span_row(span, notes.get(read_span_id(span))) for span in spans], cursor)
        if not cursor:
            return


def list_ids(
    api: Api, source: Source, project: str, during: TimeRange, listing: str
) -> Iterator[str]:
    """Yields nothing: the API counts no listing."""
    yield from ()


def list_annotations(api: Api, path: str, spans: list[str]) -> dict[str, list[Object]]:
    """Lists the annotations of some spans, by span id."""
    by_span: dict[str, list[Object]] = {}
    for start in range(0, len(spans), SPANS_A_CALL):
        cursor, loops = None, LoopDetector(api.name)
        while True:
            some = spans[start : start + SPANS_A_CALL]
            answer = api.get(f"{path}/span_annotations", span_ids=some, limit=1000, cursor=cursor)
            notes, cursor = parse_page(answer)
            for note in notes:
                by_span.setdefault(text_or_empty(note["span_id"]), []).append(note)
            if not cursor:
                break
            loops.check_page(notes, cursor)
    return by_span


def read_span_id(span: Object) -> str:
    """Returns a span's id."""
    return require_text(require_object(span["context"])["span_id"])


def make_span_row(span: Object, notes: list[Object] | None) -> Row:
    """Makes the row of a span with its annotations."""
    body: Object = {**span, "annotations": [*notes]} if notes else span
    trace = require_text(require_object(span["context"])["trace_id"])
    is_root = not span.get("parent_id")
    return Row(read_span_id(span), trace, text_or_empty(span["start_time"]), is_root, trace, body)
