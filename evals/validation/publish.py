"""A night's rows into place: its traces, and its quarantine, file by file as they were staged.

A file whose rows all passed is a trace file as it is. Which rows pass is decided before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.ingest.raw_rows import rebuild_raw
from evals.ingest.staged_rows import StagedFile, read_row_groups
from evals.records import Refusal, Trace
from evals.specs import Catalog
from evals.storage.files import link_aside, parquet_writer, replacing
from evals.storage.lake import Lake
from evals.storage.tables import arrow_schema, from_rows
from evals.traces.files.streams import KEPT
from evals.validation import expectations
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, RowOutcomes

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class CheckedNight:
    """One application's rows of a night and what becomes of them."""

    app: str
    rows: pandas.DataFrame
    outcomes: RowOutcomes
    failing: expectations.Failing
    checked_rows: int
    """How many of the rows are no copies, and were checked."""
    refused: str | None = None
    """Why the application's night is refused: too many of its own rows were."""


def publish_night(
    lake: Lake,
    catalog: Catalog,
    night: date,
    files: Sequence[StagedFile],
    apps: Sequence[CheckedNight],
) -> None:
    """Writes a night's traces and its quarantine.

    Args:
        lake: where they rest.
        catalog: says the code and reason of each check.
        night: its date.
        files: the staged files its rows are in.
        apps: each application's rows.
    """
    import pandas

    told = [
        one.rows[["part", "row", "app", "session_id", "ts", "line"]].assign(
            standing=one.outcomes.outcomes, shut=bool(one.refused)
        )
        for one in apps
        if len(one.rows)
    ]
    rows = pandas.concat(told, ignore_index=True) if told else pandas.DataFrame()
    if told:
        rows["turn"] = number_turns(rows)
    refused: list[Refusal] = []
    kept: list[Path] = []
    for part, source in enumerate(files):
        own = rows[rows["part"] == part].sort_values("row") if told else rows
        if len(own):
            kept += write_traces(lake, night, source, own)
            refused += build_refusals(catalog, night, source, own)
    if not kept:
        lake.write("traces", night, [])
        kept.append(lake.partition("traces", night) / "data.parquet")
    for path in set(lake.files("traces", [night])) - set(kept):
        path.unlink()
    lake.write("quarantine", night, refused)


def number_turns(rows: pandas.DataFrame) -> Any:
    """Which turn of its session a row is, from 1; null where its session has only one."""
    mine = rows[(rows["standing"] == ACCEPTED) & rows["session_id"].notna() & ~rows["shut"]]
    ordered = mine.sort_values(["ts", "part", "line", "row"], kind="stable")
    sessions = ordered.groupby(["app", "session_id"])
    number = sessions.cumcount() + 1
    return number[sessions["ts"].transform("size") > 1].reindex(rows.index)


def write_traces(
    lake: Lake, night: date, source: StagedFile, own: pandas.DataFrame
) -> Iterator[Path]:
    """Puts the rows of one staged file that passed among the night's traces."""
    import pyarrow.parquet as pq

    passed = (own["standing"] == ACCEPTED) & ~own["shut"]
    if not passed.any():
        return
    name = source.path.stem if source.night == night else f"{source.path.stem}.after"
    path = lake.partition("traces", night) / f"{name}.parquet"
    whole = passed.all() and len(own) == pq.read_metadata(source.path).num_rows
    with replacing(path) as aside:
        if whole and own["turn"].isna().all():
            link_aside(source.path, aside)
        else:
            chosen = own[passed]
            with parquet_writer(aside, arrow_schema(Trace)) as writer:
                for table, at in read_row_groups(source.path, chosen):
                    writer.write_table(add_turns(table, chosen["turn"].iloc[at]))
    yield path


def add_turns(table: Any, numbers: pandas.Series[Any]) -> Any:
    """The rows with the number of their turn."""
    import pyarrow as pa

    field = arrow_schema(Trace).field("turn")
    column = pa.array(numbers, field.type, from_pandas=True)
    return table.set_column(table.schema.get_field_index("turn"), field, column)


def build_refusals(
    catalog: Catalog, night: date, source: StagedFile, own: pandas.DataFrame
) -> Iterator[Refusal]:
    """The rows of one staged file that did not pass, as they go to quarantine."""
    chosen = own[~own["standing"].isin([ACCEPTED, DUPLICATE])]
    if chosen.empty:
        return
    for table, at in read_row_groups(source.path, chosen):
        traces = from_rows(Trace, table.to_pylist())
        for trace, check in zip(traces, chosen["standing"].iloc[at], strict=True):
            said = next(c for c in catalog.expectations(trace.app) if c.check == check)
            yield Refusal(
                trace.source_file,
                trace.source_line,
                said.code,
                said.reason,
                rebuild_raw(trace)[:KEPT],
                trace.app,
                night,
                trace.trace_id,
                source.sha,
            )
