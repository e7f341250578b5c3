"""Detects traces that a later file re-dates to another night.

A long id is random and identifies one trace for good; a short one may be a counter that restarts
each night, and identifies a trace within its night. Traces of spans are merged (`fragment_merge`)
and stay in the night they began in. Only a valid row re-dates a trace: one that is refused, or
whose night is refused or not yet admitted, does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from evals.ingest.fragments import FORMATS
from evals.ingest.staged_rows import StagedFile, build_table_sql, list_staged_files
from evals.storage.documents.departures import read_departures, write_departures
from evals.storage.id_index import UNIQUE_LENGTH, build_id_table, load_indexes, mark_members
from evals.storage.lake import Lake
from evals.storage.night_state import DAY
from evals.storage.queries import add_missing_columns, open_duckdb
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, UNIQUE, RowOutcomes

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pandas

    IdHashes: TypeAlias = npt.NDArray[np.uint64]

MAX_DISTANCE = timedelta(days=31)
"""How far from its own night a trace may be re-dated."""
IS_WANTED = "(hash(trace_id) | 1) in (from wanted)"
ROWS = f"""
    select app, trace_id, filename, source_line, coalesce(content_hash, '') as content,
        source_format in {FORMATS} as spans,
        coalesce(status, 'ok') = 'ok' or status in ('cut_off', 'filtered') and trim(output) <> ''
    from ({{rows}}) where length(trace_id) >= {UNIQUE_LENGTH} and {IS_WANTED}
"""  # noqa: S608  our own names


class TraceRow(NamedTuple):
    """A row of a trace, as in the last file that has its content."""

    order: int
    """The position of its file among all that were read."""
    line: int
    content: str
    """The content's hash."""
    spans: bool
    """Whether the trace is made of spans."""
    has_answer: bool = True

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Ranks the rows of a trace: those with an answer, then by file, then the first in it."""
        return self.has_answer, self.order, -self.line


class RedatedTrace(NamedTuple):
    """A valid row whose trace belongs to another night."""

    row: TraceRow
    conflict: bool
    """Whether its own file has the trace in the other night first, so that it is refused."""


RedatedTraces = dict[str, dict[str, RedatedTrace]]
"""Traces that left a night, by application and id."""
RowCells = tuple[str, int, int, str | None, str, bool]
"""Id, file, line, content hash and format of a row, and whether it has an answer."""
RowsByNight = dict[date, TraceRow]
"""The valid rows of one trace by night."""


def read_redated(lake: Lake, night: date) -> RedatedTraces:
    """Reads the traces of a night that belong to another."""
    return {
        app: {
            name: RedatedTrace(TraceRow(*row), conflict) for name, (row, conflict) in traces.items()
        }
        for app, traces in read_departures(lake, night).items()
    }


def write_redated(lake: Lake, night: date, traces: RedatedTraces) -> None:
    """Stores which traces left a night."""
    left = {app: own for app, own in traces.items() if own}
    if left != read_redated(lake, night):
        write_departures(lake, night, left)


def exclude_redated(
    files: Sequence[StagedFile],
    rows: pandas.DataFrame,
    outcomes: RowOutcomes,
    redated_traces: Mapping[str, RedatedTrace],
) -> tuple[RowOutcomes, dict[str, RedatedTrace]]:
    """Excludes a night's traces that are re-dated; returns the new outcomes and those that left.

    Args:
        files: the night's staged files.
        rows: one application's rows.
        outcomes: what became of them within their night.
        redated_traces: the application's re-dated traces; rows of files later than theirs stay.
    """
    if not redated_traces or rows.empty:
        return outcomes, {}
    changed, corrected = [*outcomes.outcomes], [*outcomes.corrected]
    left: dict[str, RedatedTrace] = {}
    for position, name, row in select_rows(files, rows, redated_traces):
        redated = redated_traces[name]
        if changed[position] != ACCEPTED or row.order > redated.row.order:
            continue
        conflict = redated.conflict and row.order == redated.row.order
        changed[position] = UNIQUE if conflict else DUPLICATE
        corrected += [] if conflict else [position]
        same = redated.row.content == row.content
        left[name] = redated if same else RedatedTrace(row, conflict)
    return outcomes._replace(outcomes=changed, corrected=sorted(corrected)), left


def select_rows(
    files: Sequence[StagedFile], rows: pandas.DataFrame, names: Collection[str]
) -> Iterator[tuple[int, str, TraceRow]]:
    """Yields position, trace id and row of the rows of some traces."""
    wanted = rows.loc[rows["trace_id"].isin(list(names))]
    columns = ("trace_id", "part", "line", "content_hash", "source_format", "has_answer")
    lists = (wanted[name].to_list() for name in columns)
    cells = cast("Iterator[RowCells]", zip(*lists, strict=True))
    for position, cell in zip(wanted.index, cells, strict=True):
        name, part, line, content, source, has_answer = cell
        order, is_spans = files[part].order, source in FORMATS
        yield position, name, TraceRow(order, line, content or "", is_spans, has_answer)


def record_redated(lake: Lake, admitted: Collection[date]) -> None:
    """Records which traces leave or return to nights near some that were just admitted."""
    nights, wanted = find_shared_ids(lake, admitted)
    rows = find_rows(lake, nights, wanted)
    for night in select_near(nights, admitted, MAX_DISTANCE):
        recorded = {
            app: {name: left for name, left in own.items() if (app, name) not in rows}
            for app, own in read_redated(lake, night).items()
        }
        for (app, name), places in rows.items():
            if left := find_redated(night, places):
                recorded.setdefault(app, {})[name] = left
        write_redated(lake, night, recorded)


def find_redated(night: date, places: RowsByNight) -> RedatedTrace | None:
    """Returns how a trace leaves a night; None if it belongs there or has no row there."""
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
    conflict = any(r.order == own.order and r.has_answer == own.has_answer for r in later)
    return RedatedTrace(own, conflict) if later else None


def select_near(nights: Collection[date], to: Collection[date], span: timedelta) -> list[date]:
    """Returns the nights that are at most a span away from one of some nights."""
    return [night for night in nights if any(abs(night - other) <= span for other in to)]


def find_shared_ids(lake: Lake, nights: Collection[date]) -> tuple[list[date], IdHashes]:
    """Returns the nights that share random ids with some nights, and the hashes of those ids.

    Includes the night before each, whose rows may be staged in the night after.
    """
    import numpy as np

    staged = lake.list_nights("staged")
    own = [night for night in staged if {night, night - DAY}.intersection(nights)]
    near = select_near(staged, nights, MAX_DISTANCE + DAY)
    close = dict(load_indexes(lake, near)) if len(near) > 1 else {}
    shared: list[IdHashes] = [np.empty(0, np.uint64)]
    for night in own if close else ():
        drawn = close[night][close[night] & np.uint64(1) == 1]
        shared += [
            drawn[mark_members(ids, drawn)] for other, ids in close.items() if other != night
        ]
    wanted = np.unique(np.concatenate(shared))
    if not len(wanted):
        return [], wanted
    wide = load_indexes(lake, select_near(staged, nights, 2 * MAX_DISTANCE + DAY))
    sharing = [night for night, ids in wide if mark_members(ids, wanted).any()]
    return sorted({*sharing, *(night - DAY for night in sharing)}), wanted


def find_rows(
    lake: Lake, nights: Collection[date], wanted: IdHashes
) -> dict[tuple[str, str], RowsByNight]:
    """Returns the valid rows of some traces, by application and id.

    A valid row is one of the night's traces, or has left it for another night.
    """
    import pyarrow as pa

    valid: dict[tuple[str, str], RowsByNight] = defaultdict(dict)
    last: dict[tuple[str, str, str], TraceRow] = {}
    with open_duckdb() as db:
        db.register("wanted", pa.table({"h": pa.array(wanted, pa.uint64())}))
        for night, app, name, row in read_redated_rows(lake, nights, db):
            valid[app, name][night] = row
        for night, app, name, row in read_rows(lake, nights, db, "traces"):
            valid[app, name][night] = row
        for _, app, name, row in read_rows(lake, nights, db, "staged"):
            earlier = last.setdefault((app, name, row.content), row)
            last[app, name, row.content] = max(earlier, row, key=lambda other: other.rank)
    return {
        (app, name): {
            night: max(row, last.get((app, name, row.content), row), key=lambda other: other.rank)
            for night, row in places.items()
        }
        for (app, name), places in valid.items()
    }


def read_rows(
    lake: Lake, nights: Collection[date], db: duckdb.DuckDBPyConnection, table: str
) -> Iterator[tuple[date, str, str, TraceRow]]:
    """Yields the wanted traces in a table: night, application, id and row."""
    files = list_staged_files(lake, list(nights), table)
    by_path = {str(source.path): source for source in files}
    if not files:
        return
    query = db.sql(ROWS.format(rows=add_missing_columns(table, build_table_sql(files))))
    for app, name, path, line, content, spans, has_answer in query.fetchall():
        source = by_path[path]
        yield source.night, app, name, TraceRow(source.order, line, content, spans, has_answer)


def read_redated_rows(
    lake: Lake, nights: Collection[date], db: duckdb.DuckDBPyConnection
) -> Iterator[tuple[date, str, str, TraceRow]]:
    """Yields the wanted traces that left some nights: night, application, id and row."""
    departed = [
        (night, app, name, left.row)
        for night in nights
        for app, own in read_redated(lake, night).items()
        for name, left in own.items()
    ]
    db.register("names", build_id_table({name for _, _, name, _ in departed}))
    wanted = {name for (name,) in db.sql(f"from names where {IS_WANTED}").fetchall()}
    yield from (trace for trace in departed if trace[2] in wanted)
