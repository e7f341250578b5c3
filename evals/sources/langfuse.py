"""Langfuse's public API: traces with their observations, then scores by when they were given.

Rows land as the API spells them: a trace with `observations` in it, and scores by themselves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from evals.sources.api import Api, Refused
from evals.sources.pages import Listing, Page, Row, parse_timestamp, read_key, to_iso
from evals.specs import Source

TAIL = timedelta(seconds=60)
"""How long after the last trace of a page observations are listed; later ones come one by one."""


def open_api(source: Source) -> Api:
    """The API under its pair of keys."""
    public, secret = read_key(source, source.public_key_env), read_key(source, source.secret)
    return Api(
        source.name,
        source.url,
        auth=(public or "", secret or ""),
        variables=(source.public_key_env, str(source.secret)),
        per_minute=source.per_minute,
    )


def read_pages(
    api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
) -> Iterator[Page]:
    """Pages of traces, then of scores; a position is `traces:OFFSET` or `scores:OFFSET`.

    An offset holds though `page_size` changes: what of its page was read before is read again.
    """
    what, _, offset = (position or "traces:0").partition(":")
    size = choose_page_size(source)
    page = int(offset) // size + 1
    while what == "traces":
        found = read_listing(api, "/api/public/traces", source, page, span, orderBy="timestamp.asc")
        last = page >= found["meta"]["totalPages"]
        page, what = (1, "scores") if last else (page + 1, "traces")
        yield Page(add_observations(api, source, found["data"]), f"{what}:{(page - 1) * size}")
    while True:
        found = read_listing(api, "/api/public/v2/scores", source, page, span)
        rows = [make_score_row(s) for s in found["data"]]
        done = page >= found["meta"]["totalPages"]
        yield Page(rows, None if done else f"scores:{page * size}")
        if done:
            return
        page += 1


def choose_page_size(source: Source) -> int:
    """How many rows are asked for at once; the API gives no more than a hundred."""
    return min(source.page_size, 100)


def read_listing(
    api: Api, path: str, source: Source, page: int, span: tuple[str, str], **more: Any
) -> dict[str, Any]:
    """One page of a listing."""
    between = {"fromTimestamp": span[0], "toTimestamp": span[1]}
    return api.get(path, page=page, limit=choose_page_size(source), **between, **more)


def add_observations(api: Api, source: Source, traces: list[dict[str, Any]]) -> list[Row]:
    """A page's traces, each with its observations: listed together, the missing asked for."""
    times = sorted(at for trace in traces if (at := parse_timestamp(trace["timestamp"])))
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for item in read_observations(api, source, times[0], times[-1]) if times else ():
        known.setdefault(item["traceId"], {})[item["id"]] = item
    return [fetch_trace(api, trace, known.get(trace["id"], {})) for trace in traces]


def read_observations(
    api: Api, source: Source, first: datetime, last: datetime
) -> Iterator[dict[str, Any]]:
    """Every observation that began within the page's time."""
    page, total = 1, 1
    between = {"fromStartTime": to_iso(first), "toStartTime": to_iso(last + TAIL)}
    listing = Listing(source.name)
    while page <= total:
        path = "/api/public/observations"
        found = api.get(path, page=page, limit=choose_page_size(source), **between)
        listing.turned(found["data"], None)
        yield from found["data"]
        page, total = page + 1, found["meta"]["totalPages"]


def fetch_trace(api: Api, trace: dict[str, Any], known: dict[str, dict[str, Any]]) -> Row:
    """A trace in full; its scores come by themselves. One that is gone by now is as listed."""
    wanted = trace.get("observations")
    name = trace["id"]
    if not isinstance(wanted, list) or any(one not in known for one in wanted):
        with contextlib.suppress(Refused):
            trace = api.get("/api/public/traces", name)
            known = {item["id"]: item for item in trace["observations"]}
    ordered = sorted(known.values(), key=lambda item: (item["startTime"], item["id"]))
    body = {**trace, "observations": ordered, "scores": []}
    return Row(name, name, trace["timestamp"], True, name, body)


def make_score_row(score: dict[str, Any]) -> Row:
    """A score, which may come long after its trace."""
    name = f"score {score['id']}"
    return Row(name, name, score["timestamp"], True, score.get("traceId") or "", score)
