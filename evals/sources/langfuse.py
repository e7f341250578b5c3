"""Langfuse's public API: traces with their observations, then scores by when they were given.

Rows land as the API spells them: a trace with `observations` in it, and scores by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from evals.sources.api import Api
from evals.sources.pages import Page, Row, iso, key
from evals.specs import Source

TAIL = timedelta(seconds=60)
"""How long after the last trace of a page observations are listed; later ones come one by one."""


def opened(source: Source) -> Api:
    """The API under its pair of keys."""
    public, secret = key(source, source.public_key_env), key(source, source.secret)
    auth = (public or "", secret or "")
    return Api(source.name, source.url, auth=auth, per_minute=source.per_minute)


def pages(
    api: Api, source: Source, project: str, span: tuple[str, str], position: str | None
) -> Iterator[Page]:
    """Pages of traces, then pages of scores; a position is `traces:PAGE` or `scores:PAGE`."""
    what, _, number = (position or "traces:1").partition(":")
    page = int(number)
    while what == "traces":
        found = listed(api, "/api/public/traces", source, page, span, orderBy="timestamp.asc")
        last = page >= found["meta"]["totalPages"]
        page, what = (1, "scores") if last else (page + 1, "traces")
        yield Page(with_observations(api, source, found["data"]), f"{what}:{page}")
    while True:
        found = listed(api, "/api/public/v2/scores", source, page, span)
        rows = [scored(s) for s in found["data"]]
        page += 1
        done = page > found["meta"]["totalPages"]
        yield Page(rows, None if done else f"scores:{page}")
        if done:
            return


def listed(
    api: Api, path: str, source: Source, page: int, span: tuple[str, str], **more: Any
) -> dict[str, Any]:
    """One page of a listing."""
    between = {"fromTimestamp": span[0], "toTimestamp": span[1]}
    return api.get(path, page=page, limit=min(source.page_size, 100), **between, **more)


def with_observations(api: Api, source: Source, traces: list[dict[str, Any]]) -> list[Row]:
    """A page's traces, each with its observations: listed together, the missing asked for."""
    times = sorted(datetime.fromisoformat(trace["timestamp"]) for trace in traces)
    known: dict[str, list[dict[str, Any]]] = {}
    for item in observations(api, source, times[0], times[-1]) if times else ():
        known.setdefault(item["traceId"], []).append(item)
    return [row_of(api, trace, known.get(trace["id"], [])) for trace in traces]


def observations(
    api: Api, source: Source, first: datetime, last: datetime
) -> Iterator[dict[str, Any]]:
    """Every observation that began within the page's time."""
    page, total = 1, 1
    between = {"fromStartTime": iso(first), "toStartTime": iso(last + TAIL)}
    while page <= total:
        size = min(source.page_size, 100)
        found = api.get("/api/public/observations", page=page, limit=size, **between)
        yield from found["data"]
        page, total = page + 1, found["meta"]["totalPages"]


def row_of(api: Api, trace: dict[str, Any], known: list[dict[str, Any]]) -> Row:
    """A trace in full; its scores come by themselves."""
    wanted = trace.get("observations")
    ids = {item["id"] for item in known}
    if not isinstance(wanted, list) or any(one not in ids for one in wanted):
        trace = api.get(f"/api/public/traces/{trace['id']}")
        known = trace["observations"]
    ordered = sorted(known, key=lambda item: (item["startTime"], item["id"]))
    body = {**trace, "observations": ordered, "scores": []}
    return Row(trace["id"], trace["timestamp"], True, trace["id"], body)


def scored(score: dict[str, Any]) -> Row:
    """A score, which may come long after its trace."""
    return Row(f"score {score['id']}", score["timestamp"], True, score.get("traceId") or "", score)
