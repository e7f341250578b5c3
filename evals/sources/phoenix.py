"""Phoenix's API: the spans of a project, each with the annotations people and evaluators gave it.

Rows land as the API spells them, a span a line, its annotations under `annotations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from evals.sources.api import Api
from evals.sources.pages import Listing, Page, Row, read_key
from evals.specs import Source

AT_ONCE = 100
"""How many spans' annotations are asked for in one address."""


def open_api(source: Source) -> Api:
    """The API, under a key where one is declared."""
    secret = read_key(source, source.secret)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return Api(
        source.name,
        source.url,
        headers=headers,
        variables=(source.secret,) if source.secret else (),
        per_minute=source.per_minute,
    )


def read_pages(
    api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
) -> Iterator[Page]:
    """Pages of spans; a position is the API's own cursor."""
    path = f"/v1/projects/{quote(project, safe='')}"
    cursor = position
    while True:
        between = {"start_time": span[0], "end_time": span[1]}
        found = api.get(f"{path}/spans", limit=source.page_size, cursor=cursor, **between)
        spans, cursor = found["data"], found.get("next_cursor")
        notes = read_annotations(api, path, [one["context"]["span_id"] for one in spans])
        yield Page(
            [make_span_row(one, notes.get(one["context"]["span_id"])) for one in spans], cursor
        )
        if not cursor:
            return


def read_annotations(api: Api, path: str, spans: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Reads the annotations of some spans, by span id."""
    found: dict[str, list[dict[str, Any]]] = {}
    for start in range(0, len(spans), AT_ONCE):
        cursor, listing = None, Listing(api.name)
        while True:
            some = spans[start : start + AT_ONCE]
            page = api.get(f"{path}/span_annotations", span_ids=some, limit=1000, cursor=cursor)
            for note in page["data"]:
                found.setdefault(note["span_id"], []).append(note)
            cursor = page.get("next_cursor")
            if not cursor:
                break
            listing.turned(page["data"], cursor)
    return found


def make_span_row(span: dict[str, Any], notes: list[dict[str, Any]] | None) -> Row:
    """A span with its annotations."""
    body = {**span, "annotations": notes} if notes else span
    trace = span["context"]["trace_id"]
    return Row(
        span["context"]["span_id"],
        trace,
        span["start_time"],
        not span.get("parent_id"),
        trace,
        body,
    )
