"""Traces that a later file tells in another night: the night they leave is known by this.

An id that was drawn names one trace for good; one that is short may be a counter, which begins
anew each night, and names a trace within its night. What is told by spans is put together by them
(`merging`), and stays where its parts began. Which row stands is decided at `admission`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from evals.door.ids import DRAWN, indexes, meets
from evals.door.parts import FORMATS
from evals.door.rows import listed, sources
from evals.door.sessions import note_carried
from evals.lake import Lake, connection

NEAR = 31
"""How many nights before and after its own a trace is looked for."""
FOLDER = "moved"
ROWS = """
    select app, trace_id, filename, source_line, source_format in {spans} as spans from {rows}
    where length(trace_id) >= {drawn} and (hash(trace_id) | 1) in (from wanted)
        and (coalesce(output, '') <> '' or coalesce(steps, '') not in ('', '[]', 'null'))
"""


class Told(NamedTuple):
    """Where a trace is told."""

    night: date
    order: int
    """Of the file, among all that were read."""
    line: int
    spans: bool

    @property
    def rank(self) -> tuple[int, int]:
        """A later file corrects an earlier one; within a file the row read first stands."""
        return self.order, -self.line


Moved = dict[str, dict[str, float]]
"""Of a night's applications the traces that are elsewhere: rows of files before an order leave.

Half an order more than a file's own: it tells the trace twice itself, first in another night.
"""
TWICE = 0.5


def note_arrived(lake: Lake, touched: Iterable[date]) -> None:
    """Notes what the rows that some nights got change in the nights around them."""
    nights = sorted(set(touched))
    note_carried(lake, nights)
    note_moved(lake, nights)


def moved(lake: Lake, night: date) -> Moved:
    """The traces of a night that a later file tells in another."""
    return lake.document(FOLDER, f"{night}.json") or {}


def note_moved(lake: Lake, touched: Collection[date]) -> None:
    """Notes, for every night that lost one, which traces stand as they are told elsewhere."""
    near, wanted = twice(lake, touched)
    lost: dict[date, Moved] = defaultdict(lambda: defaultdict(dict))
    for (app, trace_id), places in told(lake, near, wanted):
        latest = max(places, key=lambda place: place.rank)
        for place in places:
            parts = place.spans and latest.spans
            if place.night != latest.night and not parts:
                own = TWICE if place.order == latest.order else 0
                before = lost[place.night][app].get(trace_id, 0)
                lost[place.night][app][trace_id] = max(before, latest.order + own)
    for night, apps in lost.items():
        known = moved(lake, night)
        for app, traces in apps.items():
            known[app] = {**known.get(app, {}), **traces}
        lake.write_document(known, FOLDER, f"{night}.json")


def twice(lake: Lake, touched: Collection[date]) -> tuple[list[date], Any]:
    """The nights around some that share drawn ids with them, and the hashes of those ids."""
    import numpy as np

    span = timedelta(days=NEAR)
    staged = [n for n in lake.nights("staged") if any(abs(n - one) <= span for one in touched)]
    every = dict(indexes(lake, staged)) if len(staged) > 1 else {}
    found: set[date] = set()
    shared = [np.empty(0, np.uint64)]
    for night in (night for night in touched if night in every):
        own = every[night][every[night] & np.uint64(1) == 1]
        for other in (n for n in staged if n != night and abs(n - night) <= span):
            both = own[meets(every[other], own)]
            if len(both):
                found |= {night, other}
                shared.append(both)
    return sorted(found), np.unique(np.concatenate(shared))


def told(
    lake: Lake, nights: Collection[date], wanted: Any
) -> Iterator[tuple[tuple[str, str], list[Told]]]:
    """Where each of some traces is told, by application and id; unanswered rows tell nothing."""
    import pyarrow as pa

    files = sources(lake, list(nights))
    if not files:
        return
    by_path = {str(source.path): source for source in files}
    with connection() as db:
        db.register("wanted", pa.table({"h": pa.array(wanted, pa.uint64())}))
        rows = db.sql(ROWS.format(rows=listed(files), spans=FORMATS, drawn=DRAWN)).fetchall()
    found: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for app, trace_id, path, line, spans in rows:
        source = by_path[path]
        found[app, trace_id].append(Told(source.night, source.order, line, spans))
    yield from found.items()
