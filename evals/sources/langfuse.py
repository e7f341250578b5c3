"""Langfuse's public API: traces with their observations, then scores by when they were given.

Rows land as the API returns them: a trace with its `observations` inside, scores as own rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from evals.sources.api import Api, Refused
from evals.sources.json_shapes import (
    Object,
    require_count,
    require_object,
    require_objects,
    require_text,
    text_or_empty,
)
from evals.sources.pages import (
    LoopDetector,
    Page,
    Row,
    TimeRange,
    parse_timestamp,
    read_key,
    to_iso,
)
from evals.specs import Source

TAIL = timedelta(seconds=60)
"""How long after a page's last trace observations are listed; later ones are fetched by trace."""


def open_api(source: Source) -> Api:
    """Returns a client that sends the pair of keys."""
    public, secret = read_key(source, source.public_key_env), read_key(source, source.secret)
    return Api(
        source.name,
        source.url,
        auth=(public or "", secret or ""),
        variables=(source.public_key_env, str(source.secret)),
        per_minute=source.per_minute,
    )


def read_pages(
    api: Api, source: Source, project: str, during: TimeRange, position: str | None
) -> Iterator[Page]:
    """Yields pages of traces, then of scores; a position is `traces:OFFSET` or `scores:OFFSET`.

    An offset stays valid when `page_size` changes: a part of its page is then read twice.
    """
    what, _, offset = (position or "traces:0").partition(":")
    size = choose_page_size(source)
    number = int(offset) // size + 1
    while what == "traces":
        listing = list_page(
            api, "/api/public/traces", source, number, during, order="timestamp.asc"
        )
        is_last = number >= listing.pages
        number, what = (1, "scores") if is_last else (number + 1, "traces")
        rows = add_observations(api, source, listing.items)
        yield Page(rows, f"{what}:{(number - 1) * size}", "traces", listing.total)
    while True:
        listing = list_page(api, "/api/public/v2/scores", source, number, during)
        rows = [make_score_row(score) for score in listing.items]
        is_last = number >= listing.pages
        following = None if is_last else f"scores:{number * size}"
        yield Page(rows, following, "scores", listing.total)
        if is_last:
            return
        number += 1


def list_ids(
    api: Api, source: Source, project: str, during: TimeRange, listing: str
) -> Iterator[str]:
    """Yields the own ids of the rows of a listing, each as it is in a page's row."""
    is_traces = listing == "traces"
    path = "/api/public/traces" if is_traces else "/api/public/v2/scores"
    number, pages = 1, 1
    while number <= pages:
        order = "timestamp.asc" if is_traces else None
        page = list_page(api, path, source, number, during, order)
        for item in page.items:
            yield require_text(item["id"]) if is_traces else name_score(item)
        number, pages = number + 1, page.pages


def choose_page_size(source: Source) -> int:
    """Returns how many rows to request at once; the API returns at most a hundred."""
    return min(source.page_size, 100)


class ListingPage:
    """One page of a listing, how many pages there are, and how many rows."""

    def __init__(self, answer: Object) -> None:
        meta = require_object(answer["meta"])
        self.items = require_objects(answer["data"])
        self.pages = require_count(meta["totalPages"])
        total = meta.get("totalItems")
        self.total = total if type(total) is int else None


def list_page(
    api: Api, path: str, source: Source, number: int, during: TimeRange, order: str | None = None
) -> ListingPage:
    """Requests one page of a listing."""
    answer = api.get(
        path,
        page=number,
        limit=choose_page_size(source),
        fromTimestamp=during.start,
        toTimestamp=during.end,
        orderBy=order,
    )
    return ListingPage(require_object(answer))


def add_observations(api: Api, source: Source, traces: list[Object]) -> list[Row]:
    """Makes the rows of a page's traces: observations are listed together, missing ones fetched."""
    times = sorted(at for trace in traces if (at := parse_timestamp(trace["timestamp"])))
    by_trace: dict[str, dict[str, Object]] = {}
    for item in list_observations(api, source, times[0], times[-1]) if times else ():
        by_trace.setdefault(text_or_empty(item["traceId"]), {})[require_text(item["id"])] = item
    return [
        make_trace_row(api, trace, by_trace.get(require_text(trace["id"]), {})) for trace in traces
    ]


def list_observations(
    api: Api, source: Source, first: datetime, last: datetime
) -> Iterator[Object]:
    """Yields every observation that began in the time of a page of traces."""
    number, pages = 1, 1
    loops = LoopDetector(source.name)
    while number <= pages:
        answer = api.get(
            "/api/public/observations",
            page=number,
            limit=choose_page_size(source),
            fromStartTime=to_iso(first),
            toStartTime=to_iso(last + TAIL),
        )
        listing = ListingPage(require_object(answer))
        loops.check_page(listing.items, None)
        yield from listing.items
        number, pages = number + 1, listing.pages


def make_trace_row(api: Api, trace: Object, observations: dict[str, Object]) -> Row:
    """Makes the row of a trace, and fetches the trace where an observation is missing.

    A trace that was deleted since it was listed lands as it was listed. Its scores land as rows
    of their own.
    """
    expected = trace.get("observations")
    name = require_text(trace["id"])
    is_complete = type(expected) is list and all(
        type(one) is str and one in observations for one in expected
    )
    if not is_complete:
        with contextlib.suppress(Refused):
            trace = require_object(api.get("/api/public/traces", name))
            items = require_objects(trace["observations"])
            observations = {require_text(item["id"]): item for item in items}
    ordered = sorted(
        observations.values(),
        key=lambda item: (text_or_empty(item["startTime"]), text_or_empty(item["id"])),
    )
    body: Object = {**trace, "observations": [*ordered], "scores": []}
    return Row(name, name, text_or_empty(trace["timestamp"]), True, name, body)


def name_score(score: Object) -> str:
    """Returns a score's own id among all rows."""
    return f"score {score['id']}"


def make_score_row(score: Object) -> Row:
    """Makes the row of a score, which may be given long after its trace."""
    name = name_score(score)
    trace = require_text(score.get("traceId") or "")
    return Row(name, name, text_or_empty(score["timestamp"]), True, trace, score)
