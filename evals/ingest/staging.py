"""Stages one file's rows: traces by night, labels, and everything else in quarantine.

`privacy` filters every row before it is written; whether it is valid is decided in `validation`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.ingest import parallel_readers
from evals.ingest.file_batches import FileBatch
from evals.ingest.identity import hash_columns
from evals.ingest.night_files import NightFiles
from evals.ingest.parallel_readers import ReadResult, ReadTask
from evals.ingest.raw_rows import ROW_FORMATS, restore_raw
from evals.ingest.row_batch import FilteredRow, build_table
from evals.ingest.screening import screen_rows
from evals.ingest.timestamp_limits import check_timestamp, latest_allowed
from evals.privacy.redaction import name_without_secrets, redact_all
from evals.privacy.row_filter import PrivacyFilter
from evals.readable import make_name_readable
from evals.records import Label, NonAnswer, Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.inbox_files import InboxFile, NoOutputNote
from evals.storage.lake import Lake, with_home_lock
from evals.storage.record_tables import build_schema
from evals.storage.refused_rows import write_refused
from evals.traces import reader
from evals.traces.files.containers import Container, inspect_file
from evals.traces.files.streams import file_sha
from evals.traces.formats.json_lines import NAME
from evals.traces.reader import Columns, ImporterOutput, Reading
from evals.traces.rows import mapping
from evals.traces.rows.fields import DEFAULTS
from evals.traces.rows.missing_columns import check_columns
from evals.traces.rows.missing_output import (
    find_likely_output,
    list_read_columns,
    read_first_rows,
)
from evals.traces.rows.notes import SAMPLED_ROWS, ReadingNotes, shorten_example
from evals.traces.rows.shards import WHOLE, Share

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 1000
"""How many single rows are written together."""


@with_home_lock
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
    arrivals: FileBatch | None = None,
    needs_columns: bool = True,
) -> InboxFile:
    """Stages one file's traces by night, keeps its labels, quarantines its other rows.

    A file staged again changes nothing.

    Args:
        lake: the home.
        catalog: has the mappings of rows and what to redact.
        path: the file.
        assume_date: the night of rows without a timestamp.
        spread: first and last night over which such rows are spread.
        app: the application of rows without one; by default the catalog's only one.
        now: the time of reading, if it is to be recorded.
        place: the file's path in its inbox, shown in reports; by default its name.
        arrivals: the batch it is committed with, if it is not the only file.
        needs_columns: whether each column that a mapping names must be in some row.

    Raises:
        MissingColumnsError: a column that a mapping names is in no row; nothing is stored.
    """
    sha, name = file_sha(path), make_name_readable(path.name)
    plans = mapping.make_plans(catalog.mappings, None)
    app = app or catalog.only_app
    begins = catalog.day_begins
    reading = Reading(name, plans, assume_date, spread, begins, path=path, app=app)
    batch = arrivals or FileBatch(lake, PrivacyFilter.load(lake, catalog))
    staging = FileStaging(lake, batch.privacy, name, sha, now)
    staging.place = redact_place(place or path.name)
    container = inspect_file(path, mapping.list_encodings(plans))
    task = ReadTask(lake, catalog, path, reading, container, sha, now)
    with staging.nights:
        stage_rows(staging, task, needs_columns=needs_columns)
    staging.refused = restore_raw(path, container, staging.refused, staging.misread)
    seen = staging.finish(path.stat().st_size, batch.order)
    batch.add(seen, staging.labels)
    if arrivals is None:
        batch.commit()
    return seen


def explain_no_output(path: Path, container: Container, reading: Reading) -> NoOutputNote:
    """Explains where the output of a file's rows was read, and where it probably is."""
    applied = [plan for plan in reading.plans if reading.notes.mapped[plan.name]]
    rows = read_first_rows(path, container, SAMPLED_ROWS)
    return {
        "reads": list_read_columns(applied),
        "nearest": find_likely_output(rows, applied),
    }


def redact_place(place: str) -> str:
    """Redacts secrets and e-mail addresses in a file's path, in each part and across them."""
    parts = map(name_without_secrets, make_name_readable(place).split("/"))
    return name_without_secrets("/".join(parts))


def stage_rows(staging: FileStaging, task: ReadTask, *, needs_columns: bool) -> None:
    """Stages the rows of a file, of a large one in two processes.

    Raises:
        MissingColumnsError: a needed column is in no row.
    """
    reading, container = task.reading, task.container
    if parallel_readers.needs_two_readers(task.path, container):
        share_reading(staging, task)
    else:
        staging.read_file(task.path, reading, container)
    if needs_columns and reader.is_plain(container, task.path.name):
        has_traces = staging.nights.rows.total() > 0
        check_columns(reading.source_file, reading.notes, reading.plans, has_traces=has_traces)
        if has_traces and not staging.outputs:
            staging.no_output = explain_no_output(task.path, container, reading)
    staging.notes, staging.encoding = reading.notes, container.encoding_name


def share_reading(staging: FileStaging, task: ReadTask) -> None:
    """Reads a part of a file here while a second process reads the other."""
    with parallel_readers.start_second(task) as second:
        first = dataclasses.replace(task.reading, share=parallel_readers.FIRST)
        staging.read_file(task.path, first, task.container)
        result = second()
        staging.add_result(result)
        task.reading.notes.merge(result.notes)


def stage_share(task: ReadTask) -> ReadResult:
    """Stages the second reader's share of a file for the first to publish."""
    lake, share = task.lake, task.reading.share
    privacy = PrivacyFilter.load(lake, task.catalog)
    staging = FileStaging(lake, privacy, task.reading.source_file, task.sha, task.now, share)
    with staging.nights.leave_aside():
        staging.read_file(task.path, task.reading, task.container)
    nights = staging.nights
    staged = (staging.format, nights.rows, staging.refused, staging.labels, nights.parts)
    return ReadResult(*staged, staging.skipped, staging.apps, task.reading.notes)


class FileStaging:
    """One file being staged, or a reader's share of it."""

    def __init__(
        self,
        lake: Lake,
        privacy: PrivacyFilter,
        name: str,
        sha: str,
        now: datetime | None,
        share: Share = WHOLE,
    ) -> None:
        self.lake, self.privacy, self.sha, self.now = lake, privacy, sha, now
        self.read_at = None if privacy.catalog.demo else now  # a demo's calendar is simulated
        self.shift = timedelta(hours=privacy.catalog.day_begins)
        self.origin = {"source_file": name_without_secrets(name), "source_format": NAME}
        part = f".s{share.at}" if share.at else ""
        constant = {**DEFAULTS, **self.origin}
        self.nights = NightFiles(lake, f"{sha[:16]}{part}", self.shift, constant)
        self.passed: list[FilteredRow] = []
        self.refused: list[Refusal] = []
        self.labels: list[Label] = []
        self.outputs = 0
        """Traces with an output."""
        self.no_output: NoOutputNote | None = None
        self.misread: set[int] = set()
        self.skipped: Counter[str] = Counter()
        self.apps: Counter[str] = Counter()
        self.notes = ReadingNotes()
        self.format = self.place = self.encoding = ""

    def read_file(self, path: Path, reading: Reading, container: Container) -> None:
        """Stages a file, or a share of it."""
        for output in reader.read_batches(path, reading, container):
            self.add_output(output)
        self.flush()

    def add_result(self, other: ReadResult) -> None:
        """Adds what another reader of the file staged."""
        self.format = self.format or other.format
        self.nights.rows.update(other.rows)
        self.nights.parts += other.parts
        self.apps.update(other.apps)
        self.refused = sorted([*self.refused, *other.refused], key=lambda row: row.source_line)
        self.labels += other.labels
        self.skipped.update(other.skipped)

    def add_output(self, output: Columns | ImporterOutput) -> None:
        """Stages rows or a label from an importer."""
        if isinstance(output, Columns):
            self.format = self.format or NAME
            output.cells["content_hash"] = hash_columns(output, self.privacy.key)
            clean, apart = screen_rows(
                self.privacy, output, self.origin, latest_allowed(self.read_at)
            )
            if clean.size:
                self.nights.add(build_columns_table(clean))
                self.apps.update(clean.cells["app"])
                self.outputs += sum(map(bool, clean.cells.get("output", ())))
            for trace in apart:
                self.add_row(trace)
        elif isinstance(output, Label):
            self.labels.append(output)
        elif isinstance(output, NonAnswer):
            self.skipped[output.kind] += 1
        else:
            self.add_row(output)

    def add_row(self, given: Trace | Refusal) -> None:
        """Filters and stages one row."""
        row = self.privacy.filter_row(given)
        if isinstance(given, Refusal) or isinstance(row, Refusal):
            self.refused += [row] if isinstance(row, Refusal) else []
            return
        self.format = self.format or given.source_format
        row = check_timestamp(row, self.read_at)
        if isinstance(row, Refusal):
            self.refused.append(row)
            self.misread |= {row.source_line} if given.source_format in ROW_FORMATS else set()
            return
        self.passed.append(FilteredRow(given, row))
        self.apps[row.app] += 1
        self.outputs += bool(row.output)
        if len(self.passed) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered single rows."""
        if self.passed:
            self.nights.add(build_table(self.passed, self.privacy.key))
            self.passed = []

    def finish(self, size: int, order: int) -> InboxFile:
        """Stores the refused rows once every night is written; returns the file's record."""
        rows = Counter(self.nights.rows)
        for row in self.refused:
            if row.app and row.night and row.night not in rows:
                rows[row.night] = 0  # a night with only bad rows is refused, not ignored
                self.nights.write_empty(row.night)
        if self.refused:
            write_refused(self.lake, self.sha[:16], self.refused)
        return InboxFile(
            self.sha,
            self.origin["source_file"],
            self.format,
            size,
            rows.total() + len(self.refused),
            len(self.refused),
            sorted(night.isoformat() for night in rows),
            len(self.labels),
            order,
            self.now.isoformat() if self.now else "",
            self.place,
            dict(sorted(self.skipped.items())),
            dict(sorted(self.apps.items())),
            sorted(filter(None, self.notes.mapped)),
            {
                name: {
                    "rows": note.rows,
                    "line": note.line,
                    "example": shorten_example(redact_all(note.example)),
                }
                for name, note in sorted(self.notes.unread.items())
            },
            self.notes.left_out,
            self.encoding,
            self.no_output,
            sorted(name for name in self.notes.mapped if name and not self.notes.found[name]),
        )


def build_columns_table(columns: Columns) -> pyarrow.Table:
    """Builds an Arrow table of traces, without columns that are the same in every row."""
    import pyarrow as pa

    fields = [field for field in build_schema(Trace) if field.name in columns.cells]
    arrays: list[Any] = [pa.array(columns.cells[field.name], field.type) for field in fields]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
