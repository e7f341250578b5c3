"""One file's rows: traces staged by night, labels kept, everything else in quarantine.

Every row passes `privacy` before it is written; whether it is valid is decided at `admission`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.ingest import parallel_readers
from evals.ingest.file_batches import Arrivals
from evals.ingest.identity import column_hashes
from evals.ingest.night_files import Nights
from evals.ingest.parallel_readers import Half, Task
from evals.ingest.raw_rows import ALONE, as_exported
from evals.ingest.row_batch import Passed, table_of
from evals.ingest.screening import screened
from evals.ingest.timestamp_limits import believed, latest
from evals.privacy.redaction import Door, name_without_secrets
from evals.readable import readable_name
from evals.records import Label, Refusal, Trace
from evals.specs import Catalog
from evals.storage.lake import Lake, in_use
from evals.storage.refused_rows import write_refused
from evals.storage.tables import InboxFile, arrow_schema
from evals.traces import reader
from evals.traces.files.containers import Container, inspect_file
from evals.traces.files.streams import file_sha
from evals.traces.formats.json_lines import NAME
from evals.traces.reader import Columns, Found, Reading
from evals.traces.rows import mapping
from evals.traces.rows.shapes import DEFAULTS
from evals.traces.rows.shards import WHOLE, Share

AT_ONCE = 1000
"""How many rows that come one by one are written together."""


@in_use
def import_file(
    lake: Lake,
    catalog: Catalog,
    path: Path,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    app: str | None = None,
    now: datetime | None = None,
    place: str = "",
    arrivals: Arrivals | None = None,
) -> InboxFile:
    """Stages one file's traces by night, keeps its labels, quarantines its other rows.

    Twice is once.

    Args:
        lake: where they rest.
        catalog: says how rows are read and what of them is private.
        path: the file.
        assume_date: the night of rows without a timestamp.
        spread: first and last night over which such rows are laid.
        app: whose rows are that name no application; else the catalog's where it has one alone.
        now: when this is, where it should be known later.
        place: where it lies in its inbox; reports name it so. Its name where it lies in none.
        arrivals: what it is settled with, where it is not the only file.
    """
    sha, name = file_sha(path), readable_name(path.name)
    plans = mapping.make_plans(catalog.mappings, None)
    app = app or catalog.only_app
    begins = catalog.day_begins
    reading = Reading(name, plans, assume_date, spread, begins, path=path, app=app, hashed=False)
    own = arrivals or Arrivals(lake, Door.of(lake, catalog))
    staging = Staging(lake, own.door, name, sha, now)
    parts = map(name_without_secrets, readable_name(place or path.name).split("/"))
    staging.place = name_without_secrets("/".join(parts))
    container = inspect_file(path)
    with staging.nights:
        if parallel_readers.by_two(path, container):
            task = Task(lake, catalog, path, reading, container, sha, now)
            with parallel_readers.second(task) as second:
                first = dataclasses.replace(reading, share=parallel_readers.FIRST)
                staging.read(path, first, container)
                staging.unite(second())
        else:
            staging.read(path, reading, container)
    staging.refused = as_exported(path, container, staging.refused, staging.misread)
    seen = staging.kept(path.stat().st_size, own.order)
    own.add(seen, staging.labels)
    if arrivals is None:
        own.settle()
    return seen


def staged(task: Task) -> Half:
    """The second reader's half of a file, staged aside."""
    lake, share = task.lake, task.reading.share
    door = Door.of(lake, task.catalog)
    staging = Staging(lake, door, task.reading.source_file, task.sha, task.now, share)
    with staging.nights.aside():
        staging.read(task.path, task.reading, task.container)
    nights = staging.nights
    return Half(staging.format, nights.rows, staging.refused, staging.labels, nights.parts)


class Staging:
    """One file being staged, or a reader's share of it."""

    def __init__(
        self,
        lake: Lake,
        door: Door,
        name: str,
        sha: str,
        now: datetime | None,
        share: Share = WHOLE,
    ) -> None:
        self.lake, self.door, self.sha, self.now = lake, door, sha, now
        self.read_at = None if door.catalog.demo else now  # a demo's calendar is simulated
        self.shift = timedelta(hours=door.catalog.day_begins)
        self.whence = {"source_file": name_without_secrets(name), "source_format": NAME}
        part = f".s{share.at}" if share.at else ""
        constant = {**DEFAULTS, **self.whence}
        self.nights = Nights(lake, f"{sha[:16]}{part}", self.shift, constant)
        self.passed: list[Passed] = []
        self.refused: list[Refusal] = []
        self.labels: list[Label] = []
        self.misread: set[int] = set()
        self.format = self.place = ""

    def read(self, path: Path, reading: Reading, container: Container) -> None:
        """Takes what a file holds, or a share of it."""
        for found in reader.read_batches(path, reading, container):
            self.take(found)
        self.flush()

    def unite(self, other: Half) -> None:
        """Takes what another reader of the file has staged."""
        self.format = self.format or other.format
        self.nights.rows.update(other.rows)
        self.nights.parts += other.parts
        self.refused = sorted([*self.refused, *other.refused], key=lambda row: row.source_line)
        self.labels += other.labels

    def take(self, found: Columns | Found) -> None:
        """Takes what an importer found."""
        if isinstance(found, Columns):
            self.format = self.format or NAME
            found.cells["content_hash"] = column_hashes(found, self.door.key)
            clean, apart = screened(self.door, found, self.whence, latest(self.read_at))
            if clean.size:
                self.nights.add(to_arrow(clean))
            for trace in apart:
                self.row(trace)
        elif isinstance(found, Label):
            self.labels.append(found)
        else:
            self.row(found)

    def row(self, found: Trace | Refusal) -> None:
        """Takes one row as it may rest."""
        row = self.door.row(found)
        if isinstance(found, Refusal) or isinstance(row, Refusal):
            self.refused += [row] if isinstance(row, Refusal) else []
            return
        self.format = self.format or found.source_format
        row = believed(row, self.read_at)
        if isinstance(row, Refusal):
            self.refused.append(row)
            self.misread |= {row.source_line} if found.source_format in ALONE else set()
            return
        self.passed.append(Passed(found, row))
        if len(self.passed) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Passes on the rows that came one by one."""
        if self.passed:
            self.nights.add(table_of(self.passed, self.door.key))
            self.passed = []

    def kept(self, size: int, order: int) -> InboxFile:
        """Keeps what was refused, once every night is written; the account of the file."""
        rows = Counter(self.nights.rows)
        for row in self.refused:
            if row.app and row.night and row.night not in rows:
                rows[row.night] = 0  # of bad rows alone it is refused, not forgotten
                self.nights.empty(row.night)
        if self.refused:
            write_refused(self.lake, self.sha[:16], self.refused)
        return InboxFile(
            self.sha,
            self.whence["source_file"],
            self.format,
            size,
            rows.total() + len(self.refused),
            len(self.refused),
            sorted(night.isoformat() for night in rows),
            len(self.labels),
            order,
            self.now.isoformat() if self.now else "",
            self.place,
        )


def to_arrow(columns: Columns) -> Any:
    """Columns as an Arrow table of traces, without those that are the same in every row."""
    import pyarrow as pa

    fields = [field for field in arrow_schema(Trace) if field.name in columns.cells]
    arrays = [pa.array(columns.cells[field.name], field.type) for field in fields]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
