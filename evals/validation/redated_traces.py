"""Traces that a later file tells in another night: the night they leave is known by this.

An id that was drawn names one trace for good; one that is short may be a counter, which begins
anew each night, and names a trace within its night. What is told by spans is put together by them
(`merging`), and stays where its parts began. Only a row that stands in its night takes a trace
from another: one that was refused, or whose night was, or that waits for its night, takes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from evals.ingest.fragments import FORMATS
from evals.ingest.staged_rows import StagedFile, build_table_sql, list_staged_files
from evals.storage.documents.departures import read_departures, write_departures
from evals.storage.id_index import DRAWN, as_table, indexes, meets
from evals.storage.lake import Lake, connection
from evals.storage.night_state import DAY
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, UNIQUE, RowOutcomes

if TYPE_CHECKING:
    import pandas

MAX_DISTANCE = timedelta(days=31)
"""How far from its own night a trace is looked for."""
IS_WANTED = "(hash(trace_id) | 1) in (from wanted)"
ROWS = f"""
    select app, trace_id, filename, source_line, coalesce(content_hash, '') as content,
        source_format in {FORMATS} as spans
    from {{rows}} where length(trace_id) >= {DRAWN} and {IS_WANTED}
"""  # noqa: S608  our own names


class TraceRow(NamedTuple):
    """A row that tells a trace, as the last file that has its content tells it."""

    order: int
    """Of the file, among all that were read."""
    line: int
    content: str
    """The content's hash."""
    spans: bool

    @property
    def rank(self) -> tuple[int, int]:
        """A later file corrects an earlier one; within a file the row read first stands."""
        return self.order, -self.line


class RedatedTrace(NamedTuple):
    """A valid row whose trace stands in another night."""

    row: TraceRow
    conflict: bool
    """Whether its own file told the trace there first, so that it is refused."""


RedatedTraces = dict[str, dict[str, RedatedTrace]]
"""The traces that left a night, by application and id."""
RowsByNight = dict[date, TraceRow]
"""The valid rows that tell one trace, by the night they are of."""


def read_redated(lake: Lake, night: date) -> RedatedTraces:
    """The traces of a night that stand in another."""
    return {
        app: {
            name: RedatedTrace(TraceRow(*row), conflict) for name, (row, conflict) in traces.items()
        }
        for app, traces in read_departures(lake, night).items()
    }


def write_redated(lake: Lake, night: date, traces: RedatedTraces) -> None:
    """Keeps which traces left a night."""
    found = {app: own for app, own in traces.items() if own}
    if found != read_redated(lake, night):
        write_departures(lake, night, found)


def exclude_redated(
    files: Sequence[StagedFile],
    rows: pandas.DataFrame,
    standing: RowOutcomes,
    known: Mapping[str, RedatedTrace],
) -> tuple[RowOutcomes, dict[str, RedatedTrace]]:
    """What becomes of a night's rows where some of its traces stand elsewhere, and which left.

    Args:
        files: those the rows are in.
        rows: one application's.
        standing: what became of them within their night.
        known: which of its traces stand elsewhere; rows of later files than named there stay.
    """
    if not known or rows.empty:
        return standing, {}
    of, corrected, left = [*standing.outcomes], [*standing.corrected], {}
    for place in rows.index[rows["trace_id"].isin(known)]:
        row = rows.loc[place]
        name, order = row["trace_id"], files[row["part"]].order
        note = known[name]
        if of[place] != ACCEPTED or order > note.row.order:
            continue
        conflict = note.conflict and order == note.row.order
        of[place] = UNIQUE if conflict else DUPLICATE
        corrected += [] if conflict else [place]
        content, spans = row["content_hash"] or "", row["source_format"] in FORMATS
        told = TraceRow(order, int(row["line"]), content, spans)
        left[name] = note if note.row.content == content else RedatedTrace(told, conflict)
    return standing._replace(outcomes=of, corrected=sorted(corrected)), left


def record_redated(lake: Lake, admitted: Collection[date]) -> None:
    """Notes which traces leave or return where some nights were admitted anew."""
    nights, wanted = find_shared_ids(lake, admitted)
    found = find_rows(lake, nights, wanted)
    for night in select_near(nights, admitted, MAX_DISTANCE):
        known = {
            app: {name: left for name, left in own.items() if (app, name) not in found}
            for app, own in read_redated(lake, night).items()
        }
        for (app, name), places in found.items():
            if left := find_redated(night, places):
                known.setdefault(app, {})[name] = left
        write_redated(lake, night, known)


def find_redated(night: date, places: RowsByNight) -> RedatedTrace | None:
    """How a trace leaves a night; None where it stands there, or is not told there."""
    own = places.get(night)
    if own is None:
        return None
    later = [
        row
        for other, row in places.items()
        if row.rank > own.rank
        and abs(other - night) <= MAX_DISTANCE
        and not (row.spans and own.spans)
    ]
    return RedatedTrace(own, any(row.order == own.order for row in later)) if later else None


def select_near(nights: Collection[date], of: Collection[date], span: timedelta) -> list[date]:
    """The nights that are no further than this from one of some."""
    return [night for night in nights if any(abs(night - one) <= span for one in of)]


def find_shared_ids(lake: Lake, nights: Collection[date]) -> tuple[list[date], Any]:
    """The nights that may have drawn ids of which some share some, and the hashes of those ids.

    Rows staged in the night after may be a night's too.
    """
    import numpy as np

    staged = lake.nights("staged")
    own = [night for night in staged if {night, night - DAY}.intersection(nights)]
    close = (
        dict(indexes(lake, near))
        if len(near := select_near(staged, nights, MAX_DISTANCE + DAY)) > 1
        else {}
    )
    shared = [np.empty(0, np.uint64)]
    for night in own if close else ():
        drawn = close[night][close[night] & np.uint64(1) == 1]
        shared += [drawn[meets(ids, drawn)] for other, ids in close.items() if other != night]
    wanted = np.unique(np.concatenate(shared))
    if not len(wanted):
        return [], wanted
    wide = indexes(lake, select_near(staged, nights, 2 * MAX_DISTANCE + DAY))
    found = [night for night, ids in wide if meets(ids, wanted).any()]
    return sorted({*found, *(night - DAY for night in found)}), wanted


def find_rows(
    lake: Lake, nights: Collection[date], wanted: Any
) -> dict[tuple[str, str], RowsByNight]:
    """Where each of some traces is told by a valid row: one that stands, or has left for another.

    By application and id.
    """
    import pyarrow as pa

    found: dict[tuple[str, str], RowsByNight] = defaultdict(dict)
    last: dict[tuple[str, str, str], TraceRow] = {}
    with connection() as db:
        db.register("wanted", pa.table({"h": pa.array(wanted, pa.uint64())}))
        for night, app, name, row in read_redated_rows(lake, nights, db):
            found[app, name][night] = row
        for night, app, name, row in read_rows(lake, nights, db, "traces"):
            found[app, name][night] = row
        for _, app, name, row in read_rows(lake, nights, db, "staged"):
            known = last.setdefault((app, name, row.content), row)
            last[app, name, row.content] = max(known, row, key=lambda one: one.rank)
    return {
        (app, name): {
            night: max(row, last.get((app, name, row.content), row), key=lambda one: one.rank)
            for night, row in places.items()
        }
        for (app, name), places in found.items()
    }


def read_rows(
    lake: Lake, nights: Collection[date], db: Any, table: str
) -> Iterator[tuple[date, str, str, TraceRow]]:
    """The rows of the wanted traces in a table: night, application, id and row."""
    files = list_staged_files(lake, list(nights), table)
    by_path = {str(source.path): source for source in files}
    rows = db.sql(ROWS.format(rows=build_table_sql(files))).fetchall() if files else []
    for app, name, path, line, content, spans in rows:
        source = by_path[path]
        yield source.night, app, name, TraceRow(source.order, line, content, spans)


def read_redated_rows(
    lake: Lake, nights: Collection[date], db: Any
) -> Iterator[tuple[date, str, str, TraceRow]]:
    """The wanted traces that left some nights: night, application, id and row."""
    notes = [
        (night, app, name, left.row)
        for night in nights
        for app, own in read_redated(lake, night).items()
        for name, left in own.items()
    ]
    db.register("names", as_table({name for _, _, name, _ in notes}))
    wanted = {name for (name,) in db.sql(f"from names where {IS_WANTED}").fetchall()}
    yield from (note for note in notes if note[2] in wanted)
