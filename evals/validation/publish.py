"""Publishes a night's rows: its traces and its quarantine, one file for each staged file.

A staged file whose rows all passed is linked as it is. Which rows pass is decided in
`row_outcomes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evals.ingest.raw_rows import rebuild_raw
from evals.ingest.staged_rows import StagedFile, read_row_groups
from evals.records import AnswerStatus, Refusal, Trace
from evals.specs import Catalog
from evals.storage.files import link_temporary, prepare_replacement
from evals.storage.lake import Lake
from evals.storage.parquet_files import TableWriter, require_both_ends
from evals.storage.record_tables import build_records, build_schema
from evals.traces.files.streams import MAX_STORED
from evals.traces.rows.statuses import derive_status, read_row_error
from evals.validation import expectations
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, RowOutcomes

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, slots=True)
class CheckedNight:
    """One application's rows of a night and what becomes of them."""

    app: str
    rows: pandas.DataFrame
    outcomes: RowOutcomes
    failing: expectations.Failing
    checked_rows: int
    """How many of the rows are not copies and were checked."""
    refused: str | None = None
    """Why the application's night is refused; None if it is not."""


def publish_night(
    lake: Lake,
    catalog: Catalog,
    night: date,
    files: Sequence[StagedFile],
    apps: Sequence[CheckedNight],
) -> None:
    """Writes a night's traces and its quarantine.

    Args:
        lake: the home.
        catalog: has the code and reason of each check.
        night: its date.
        files: the staged files its rows are in.
        apps: each application's rows.
    """
    rows = collect_rows(apps)
    refused: list[Refusal] = []
    written: list[Path] = []
    for part, source in enumerate(files):
        own = rows.loc[rows["part"] == part].sort_values("row") if len(rows) else rows
        if len(own):
            written += write_traces(lake, night, source, own)
            refused += build_refusals(catalog, night, source, own)
    if not written:
        lake.write("traces", night, [])
        written.append(lake.locate_partition("traces", night) / "data.parquet")
    for path in set(lake.list_files("traces", [night])) - set(written):
        path.unlink()
    lake.write("quarantine", night, refused)


def collect_rows(apps: Sequence[CheckedNight]) -> pandas.DataFrame:
    """Returns the rows of all applications with their outcome and turn."""
    import pandas

    frames = [
        checked.rows[["part", "row", "app", "session_id", "ts", "line", "status"]].assign(
            outcome=checked.outcomes.outcomes, refused=bool(checked.refused)
        )
        for checked in apps
        if len(checked.rows)
    ]
    if not frames:
        return pandas.DataFrame()
    rows = pandas.concat(frames, ignore_index=True)
    rows["turn"] = number_turns(rows)
    return rows


def number_turns(rows: pandas.DataFrame) -> pandas.Series[int]:
    """Numbers the turns of each session from 1; null where a session has only one."""
    accepted = rows[(rows["outcome"] == ACCEPTED) & rows["session_id"].notna() & ~rows["refused"]]
    ordered = accepted.sort_values(["ts", "part", "line", "row"], kind="stable")
    sessions = ordered.groupby(["app", "session_id"])
    number = sessions.cumcount() + 1
    return number[sessions["ts"].transform("size") > 1].reindex(rows.index)


def write_traces(
    lake: Lake, night: date, source: StagedFile, own: pandas.DataFrame
) -> Iterator[Path]:
    """Writes the accepted rows of one staged file to the night's traces."""
    import pyarrow.parquet as pq

    passed = (own["outcome"] == ACCEPTED) & ~own["refused"]
    if not passed.any():
        return
    name = source.path.stem if source.night == night else f"{source.path.stem}.after"
    path = lake.locate_partition("traces", night) / f"{name}.parquet"
    require_both_ends(source.path)
    metadata = pq.read_metadata(source.path)  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
    whole = passed.all() and len(own) == metadata.num_rows
    whole &= "status" in metadata.schema.names or (own["status"] == "ok").all()
    with prepare_replacement(path) as aside:
        if whole and own["turn"].isna().all():
            link_temporary(source.path, aside)
        else:
            chosen = own.loc[passed]
            with TableWriter(aside, build_schema(Trace)) as writer:
                for table, at in read_row_groups(source.path, chosen):
                    writer.write_table(add_turns(add_status(table), chosen["turn"].iloc[at]))
    yield path


def add_status(table: pyarrow.Table) -> pyarrow.Table:
    """Returns rows with their status; of those staged before there was one, of empty ones only."""
    import pyarrow as pa

    if "status" in table.column_names:
        return table
    cells = (table[name].to_pylist() for name in ("output", "steps", "finish_reason", "metadata"))
    statuses = [
        "ok" if output or steps not in (None, "", "[]", "null") else read_old_status(reason, extra)
        for output, steps, reason, extra in zip(*cells, strict=True)
    ]
    return table.append_column("status", pa.array(statuses, pa.string()))


def read_old_status(finish_reason: str | None, metadata: str | None) -> AnswerStatus:
    """Derives the status of a row without output or steps from what it recorded."""
    recorded = json.loads(metadata or "{}")
    return derive_status("", (), finish_reason, None, read_row_error(recorded))


def add_turns(table: pyarrow.Table, numbers: pandas.Series[int]) -> pyarrow.Table:
    """Returns the rows with the number of their turn."""
    import pyarrow as pa

    field = build_schema(Trace).field("turn")
    column = cast(
        "pyarrow.Array[pyarrow.Int64Scalar]", pa.array(numbers, field.type, from_pandas=True)
    )
    return table.set_column(table.schema.get_field_index("turn"), field, column)


def build_refusals(
    catalog: Catalog, night: date, source: StagedFile, own: pandas.DataFrame
) -> Iterator[Refusal]:
    """Yields the refusals of the rows of one staged file that did not pass."""
    chosen = own.loc[~own["outcome"].isin([ACCEPTED, DUPLICATE])]
    if chosen.empty:
        return
    for table, at in read_row_groups(source.path, chosen):
        traces = build_records(Trace, table.to_pylist())
        for trace, name in zip(traces, chosen["outcome"].iloc[at], strict=True):
            check = next(c for c in catalog.expectations(trace.app) if c.check == name)
            yield Refusal(
                trace.source_file,
                trace.source_line,
                check.code,
                check.reason,
                rebuild_raw(trace)[:MAX_STORED],
                trace.app,
                night,
                trace.trace_id,
                source.sha,
            )
