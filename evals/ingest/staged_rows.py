"""Reads ids, counts and flags of a night's staged rows for the checks, no texts.

DuckDB reads the columns; the expectations on them are in `validation`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.ingest.fragments import FORMATS
from evals.records import Json
from evals.specs import Catalog, Floating, ModelPin, Unverifiable, classify
from evals.storage.damage import detect_damage
from evals.storage.documents.inbox_files import InboxFile, read_inbox_files
from evals.storage.lake import Lake
from evals.storage.parquet_files import open_verified, verify_files
from evals.storage.queries import add_missing_columns, open_duckdb, quote_text
from evals.traces.rows.timestamps import EPOCH

if TYPE_CHECKING:
    import pandas
    import pyarrow

HOUR = 3_600_000_000
SESSION_HOURS = 24
"""How long after its first turn a session's turns belong to that turn's night."""
MERGED, CORRECTED, COPY = "merged", "corrected", "copy"
"""Why a row was folded into another: a fragment, an earlier version, or a copy."""
COLUMNS_SQL = """
    source_line as line, app, trace_id, content_hash, session_id, user_id,
    epoch_us(ts) as ts, length(input) as input_chars, length(output) as output_chars,
    length(context) as context_chars, coalesce(input, '') <> '' as asked,
    coalesce(output, '') <> '' or coalesce(steps, '') not in ('', '[]', 'null') as answered,
    not contains(metadata, '"ts_zone":"assumed-utc"') as zone_known,
    tokens_in, tokens_out, latency_ms, cost_usd, model, model_requested, provider, prompt_version,
    finish_reason, source_format, contains(messages, '"tool') as has_tools,
    coalesce(staged.status, case when answered then 'ok' else 'empty' end) as status,
    staged.status = 'ok' or staged.status is null and answered
        or staged.status in ('cut_off', 'filtered') and trim(output) <> '' as has_answer,
    asked or answered or messages not in ('', '[]', 'null')
        or staged.status not in ('ok', 'empty') or contains(metadata, '"error') as is_request
"""
CARRIED_SQL = """
    with before as (
        select app, session_id, trace_id, ts, source_format in {spans} as spans from {before}
    ), later as (
        select filename, file_row_number as row, content_hash, app, session_id, trace_id, ts,
            source_format in {spans} as spans from {night}
    ), turns as (
        select later.* from later join (
            select app, session_id, min(ts) as first from before
            where session_id is not null group by all
        ) using (app, session_id) where later.ts < first + interval {hours} hour
    ), parts as (
        select later.* from later join (
            select app, trace_id, min(ts) as first from (
                select app, trace_id, ts from before where spans
                union all select app, trace_id, ts from turns where spans
            ) group by all
        ) using (app, trace_id) where later.spans and later.ts < first + interval {hours} hour
    )
    select filename, row, content_hash from turns
    union select filename, row, content_hash from parts
    order by all
"""


class StagedFile(NamedTuple):
    """A staged file of a night, and the inbox file it came from."""

    path: Path
    night: date
    """The night of its rows' own timestamps."""
    order: int
    """When its inbox file was first read, among all: a later one corrects an earlier one."""
    sha: str
    seen: str
    """The date on which it was first read, in ISO form; empty if unknown."""
    at: int
    """When it was first read, in microseconds since 1970; 0 if unknown."""


def list_staged_files(
    lake: Lake, nights: Sequence[date], table: str = "staged"
) -> list[StagedFile]:
    """Lists the staged files of some nights, or those of their traces, in reading order."""
    inbox_files = {row.sha256[:16]: row for row in read_inbox_files(lake).values()}
    files: list[StagedFile] = []
    for night in nights:
        for path in lake.list_files(table, [night]):
            row: InboxFile | None = inbox_files.get(path.stem.split(".")[0])
            seen = row.seen if row else ""
            at = (datetime.fromisoformat(seen) - EPOCH) // timedelta(microseconds=1) if seen else 0
            sha = path.stem.split(".")[0]
            files.append(StagedFile(path, night, row.order if row else 0, sha, seen[:10], at))
    return sorted(files, key=lambda source: (source.order, source.path.name, source.night))


def build_table_sql(files: Sequence[StagedFile]) -> str:
    """Returns the SQL of files as a DuckDB table, each row with its file and position."""
    verify_files(source.path for source in files)
    options = "filename=true, file_row_number=true, union_by_name=true"
    return f"read_parquet([{quote_paths(files)}], {options})"


def quote_paths(files: Sequence[StagedFile]) -> str:
    """Returns the paths of files as a SQL list."""
    return ", ".join(quote_text(str(source.path)) for source in files)


def find_carried_rows(lake: Lake, night: date) -> list[tuple[str, int, str]]:
    """Returns the rows of a night that belong to the night before: file, position and content.

    These are turns of sessions and fragments of traces that began there at most a day earlier,
    and the other rows of a trace that is carried over.
    """
    before, files = (
        list_staged_files(lake, [night - timedelta(days=1)]),
        list_staged_files(lake, [night]),
    )
    if not before or not files:
        return []
    with open_duckdb() as db:
        return db.sql(
            CARRIED_SQL.format(
                night=build_table_sql(files),
                before=build_table_sql(before),
                hours=SESSION_HOURS,
                spans=FORMATS,
            )
        ).fetchall()


def read_rows(
    lake: Lake, catalog: Catalog, night: date, more: Sequence[StagedFile] = ()
) -> tuple[list[StagedFile], pandas.DataFrame]:
    """Returns the files of a night's rows, and the rows in reading order.

    `more` are further files, all of whose rows are the night's. `part` and `row` are a row's
    position among the files, `file` is its inbox file.
    """
    import numpy as np
    import pandas

    later = night + timedelta(days=1)
    carried_away = {(name, row) for name, row, _ in find_carried_rows(lake, night)}
    carried_here = {(name, row) for name, row, _ in find_carried_rows(lake, later)}
    carrying = {name for name, _ in carried_here}
    files = [
        s
        for s in list_staged_files(lake, [night, later])
        if s.night == night or str(s.path) in carrying
    ]
    files = [*files, *more]
    if not files:
        return [], pandas.DataFrame()
    frame = read_files(files)
    shas = list(dict.fromkeys(source.sha for source in files))
    frame["part"] = frame["part"].astype("int64")
    frame["file"] = np.array([shas.index(source.sha) for source in files])[frame["part"]]
    frame["night"] = (night - EPOCH.date()).days
    frame["ts_night"] = (frame["ts"] - catalog.day_begins * HOUR) // (24 * HOUR)
    frame.loc[frame["part"] >= len(files) - len(more), "ts_night"] = frame["night"]
    frame = select_night_rows(frame, files, night, carried_away, carried_here)
    shared = frame.duplicated(["file", "line"]).any()  # independent of which process read a trace
    order = ["file", "line", *(["trace_id"] if shared else []), "row"]
    frame = frame.sort_values(order, kind="stable").reset_index(drop=True)
    return files, add_derived_columns(frame, files)


def read_files(files: Sequence[StagedFile]) -> pandas.DataFrame:
    """Reads the rows of files, with their position among the files and in their file."""
    with open_duckdb() as db:
        part = f"list_position([{quote_paths(files)}], filename) - 1 as part"
        query = (
            f"select {part}, file_row_number as row, {COLUMNS_SQL} from "  # noqa: S608  our own paths
            f"({add_missing_columns('staged', build_table_sql(files))}) as staged"
        )
        return db.sql(query).to_arrow_table().to_pandas()


def select_night_rows(
    frame: pandas.DataFrame,
    files: Sequence[StagedFile],
    night: date,
    carried_away: set[tuple[str, int]],
    carried_here: set[tuple[str, int]],
) -> pandas.DataFrame:
    """Returns the night's rows: its own except those carried away, and those carried here."""
    is_next_night = [source.night != night for source in files]
    if not carried_away and not any(is_next_night):
        return frame
    names = [str(source.path) for source in files]
    place: list[tuple[str, int]] = [
        (names[n], row) for n, row in zip(frame["part"], frame["row"], strict=True)
    ]
    arrives: list[bool] = [
        key in carried_here and is_next_night[n]
        for key, n in zip(place, frame["part"], strict=True)
    ]
    frame.loc[arrives, "ts_night"] = frame["night"]
    stays = [
        key not in carried_away and not is_next_night[n]
        for key, n in zip(place, frame["part"], strict=True)
    ]
    return frame[[stay or arrive for stay, arrive in zip(stays, arrives, strict=True)]]


def add_derived_columns(frame: pandas.DataFrame, files: Sequence[StagedFile]) -> pandas.DataFrame:
    """Adds columns that are computed from others."""
    import numpy as np

    ends = np.array([source.at for source in files])[frame["part"]]
    frame["ahead_s"] = np.where(ends > 0, (frame["ts"] - ends) / 1e6, 0.0)
    names = {name: is_pinned(name) for name in frame["model_requested"].dropna().unique()}
    frame["model_pinned"] = frame["model_requested"].map(names) if names else None
    frame["unanswered_results"] = 0
    with_tools = np.flatnonzero(frame.pop("has_tools").fillna(False))
    lost = dict(count_lost_results(frame.iloc[with_tools], files))
    frame.loc[list(lost), "unanswered_results"] = list(lost.values())
    return frame


def is_pinned(model: str) -> bool | None:
    """Whether a model's id is pinned to one version; None if it does not show that."""
    promise = classify(ModelPin(name="asked", model=model))
    return None if isinstance(promise, Unverifiable) else not isinstance(promise, Floating)


def count_lost_results(
    frame: pandas.DataFrame, files: Sequence[StagedFile]
) -> Iterator[tuple[int, int]]:
    """Yields the rows with tool results that answer no call, and how many they have."""
    parts: list[int] = frame["part"].unique().tolist()
    for part in parts:
        part_rows = frame.loc[frame["part"] == part]
        places: dict[int, int] = dict(zip(part_rows["row"], part_rows.index, strict=True))
        with open_duckdb() as db:
            db.register("wanted", part_rows[["row"]])
            chats = db.sql(
                f"select file_row_number as row, messages from {build_table_sql([files[part]])} "  # noqa: S608  our own paths
                "where file_row_number in (from wanted)"
            ).fetchall()
        for row, messages in chats:
            if count := len(find_lost_results(json.loads(messages))):
                yield places[row], count


def find_lost_results(messages: list[Json]) -> set[str]:
    """Returns the ids of tool results without an earlier tool call."""
    calls: set[str] = set()
    lost: set[str] = set()
    for message in messages:
        if not isinstance(message, dict):
            continue
        parts = [part for part in list_or_empty(message.get("parts")) if isinstance(part, dict)]
        calls |= collect_ids(list_or_empty(message.get("tool_calls")))
        calls |= collect_ids([part for part in parts if part.get("type") == "tool_call"])
        answers = collect_ids([part for part in parts if part.get("type") == "tool_call_response"])
        answer = message.get("tool_call_id")
        if message.get("role") == "tool" and isinstance(answer, str):
            answers.add(answer)
        lost |= answers - calls
    return lost


def list_or_empty(value: Json) -> list[Json]:
    """Returns a list, empty if the value is none."""
    return value if isinstance(value, list) else []


def collect_ids(items: Iterable[Json]) -> set[str]:
    """Returns the ids of the items that have one."""
    ids = (item.get("id") for item in items if isinstance(item, dict))
    return {name for name in ids if isinstance(name, str)}


def read_row_groups(path: Path, chosen: pandas.DataFrame) -> Iterator[tuple[pyarrow.Table, slice]]:
    """Yields the chosen rows of a file by row group, and their slice of the chosen."""
    import numpy as np

    places = chosen["row"].to_numpy()
    start = 0
    with detect_damage(path), open_verified(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            low, high = np.searchsorted(places, [start, start + size])
            if high > low:
                table = file.read_row_group(group, use_threads=False)  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
                if high - low < size:
                    table = table.take(places[low:high] - start)
                yield table, slice(low, high)
            start += size
