"""Where data rests: the tables under `ANDON_HOME`, and the only place that writes them.

Knows shapes and paths; nothing here knows what a score means. See `ledger` for paid answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
import secrets
import shutil
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from evals.columns import column as as_column
from evals.records import Answer, GuardVerdict, Label, Refusal, Score, Trace, canonical

SCHEMA_VERSION = 1
BATCH = 2048
"""Rows held in memory at a time where a table is streamed."""

R = TypeVar("R")
RESTRICTED = ("inbox", "pulls", "quarantine")
"""Folders of a home that hold rows as found: nobody but their owner may look into them."""
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
ARROW = {str: "string", int: "int64", float: "float64", bool: "bool", bytes: "binary"}


class LakeError(RuntimeError):
    """The home folder cannot be used as it is; the message says what to do."""


class InboxFile(NamedTuple):
    """One row per file seen in an inbox."""

    sha256: str
    name: str
    format: str
    size: int
    read: int
    """Rows found in it."""
    refused: int
    """Rows that could not be read as a trace."""
    nights: list[str]
    """ISO dates it has traces for."""
    labels: int = 0
    """Scores and feedback found beside the traces; no rows of their own."""
    order: int = 0
    """How many files were read before it."""
    seen: str = ""
    """When it was first read, in ISO form; empty where nobody said."""


class Coverage(NamedTuple):
    """How many traces of a night an evaluator covers, and how many were in its sample."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    covered: int
    sampled: int
    pending: int = 0
    """Of the sample, those whose answers come with a batch."""


class CanaryRow(NamedTuple):
    """What a judge said of a bad answer, and of the same answer carrying an attack."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    attack: str
    family: str
    trace_id: str
    """The answer that carried it."""
    clean: str | None
    """The verdict without the attack: pass or fail; null when there is none."""
    verdict: str | None
    """The verdict with it."""
    code: str | None
    """Why a verdict is missing."""


class NoiseRow(NamedTuple):
    """How a judge's further answers to the contents of a night compare with its first ones."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    repeats: int
    """Times each content is asked."""
    contents: int
    """Those with a first verdict and at least one more."""
    pairs: int
    """Further verdicts, each beside the first of its content."""
    flips: int
    """Of the pairs, those that differ."""
    square: float
    """The sum over contents of (flips - rate x pairs) squared."""
    errors: int
    """Further answers that are errors: in no pair."""
    missing: int
    """Further answers that are not there yet."""


class MappedLabel(NamedTuple):
    """A person's label in the words of the suite: what alignment is measured against."""

    date: date
    app: str
    trace_id: str
    dimension: str
    verdict: str
    annotator: str
    annotator_kind: str


class SliceRow(NamedTuple):
    """A slice as dbt reads it: an application (or `*`), a name, a kind and an expression."""

    app: str
    slice: str
    kind: str
    expression: str


TABLES: dict[str, type] = {
    "traces": Trace,
    "staged": Trace,
    "quarantine": Refusal,
    "answers": Answer,
    "scores": Score,
    "verdicts": GuardVerdict,
    "coverage": Coverage,
    "canaries": CanaryRow,
    "noise": NoiseRow,
    "labels_mapped": MappedLabel,
    "slices": SliceRow,
}


@functools.cache
def fields_of(record: type) -> dict[str, Any]:
    """The record's fields with their types; a night is a column called `date`."""
    hints = typing.get_type_hints(record)
    return {name: hints[name] for name in record.__annotations__}


def column(name: str) -> str:
    """The column a field is kept in."""
    return "date" if name == "night" else name


@functools.cache
def arrow_schema(record: type) -> Any:
    """The Arrow schema of a table of records: nested values are JSON text."""
    import pyarrow as pa

    def arrow(hint: Any) -> Any:
        if isinstance(hint, types.UnionType):
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        if typing.get_origin(hint) is typing.Literal:
            return pa.string()
        if hint is datetime:
            return pa.timestamp("us", tz="UTC")
        if hint is date:
            return pa.date32()
        return pa.type_for_alias(ARROW.get(hint, "string"))

    return pa.schema([(column(name), arrow(hint)) for name, hint in fields_of(record).items()])


def is_nested(hint: Any) -> bool:
    """Whether a field holds JSON rather than a scalar."""
    return typing.get_origin(hint) in (tuple, dict, list) or hint is Any


def to_table(record: type, rows: Iterable[Any]) -> Any:
    """Records as an Arrow table, column by column."""
    import pyarrow as pa

    rows = list(rows)
    schema = arrow_schema(record)
    arrays = []
    for name, hint in fields_of(record).items():
        values = [getattr(row, name) for row in rows]
        if is_nested(hint):
            values = [None if value is None else canonical(value).decode() for value in values]
        arrays.append(as_column(values, schema.field(column(name)).type))
    return pa.Table.from_arrays(arrays, schema=schema)


def from_rows(record: type[R], rows: Iterable[dict[str, Any]]) -> list[R]:
    """Records from rows of their table; a column younger than the file has its default."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return []
    rows = itertools.chain((first,), rows)
    hints = {name: hint for name, hint in fields_of(record).items() if column(name) in first}
    nested = {name: typing.get_origin(hint) for name, hint in hints.items() if is_nested(hint)}
    plain = [(name, column(name)) for name in hints if name not in nested]
    made = []
    for row in rows:
        values = {name: row.get(key) for name, key in plain}
        for name, origin in nested.items():
            value = json.loads(row[name]) if row[name] is not None else None
            values[name] = tuple(value) if origin is tuple and value is not None else value
        made.append(record(**values))
    return made


def restricted_file(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def replace(path: Path, data: bytes) -> None:
    """Writes a file aside and renames it, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def safe(name: str) -> str:
    """The name, if it may be a part of a path.

    Raises:
        LakeError: when it could climb out of its folder.
    """
    if not SAFE.fullmatch(name):
        raise LakeError(f"{name[:80]!r} cannot name a file; use letters, digits, '.', '_' and '-'")
    return name


class Lake:
    """Everything a team keeps under one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def open(self) -> Lake:
        """Makes the folder and checks its schema version.

        Raises:
            LakeError: when another version of Andon wrote it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        for name in RESTRICTED:
            (self.home / name).mkdir(mode=0o700, exist_ok=True)
            (self.home / name).chmod(0o700)
        stamp = self.home / "schema.json"
        if not stamp.exists():
            replace(stamp, canonical({"schema_version": SCHEMA_VERSION}))
        found = json.loads(stamp.read_text())["schema_version"]
        if found != SCHEMA_VERSION:
            raise LakeError(
                f"{self.home} has schema version {found}, this Andon reads {SCHEMA_VERSION}"
            )
        return self

    def partition(self, table: str, night: date) -> Path:
        """The folder of one night of a table."""
        return self.home / table / f"date={night:%Y-%m-%d}"

    def nights(self, table: str) -> list[date]:
        """The nights a table has, oldest first."""
        found = (self.home / table).glob("date=*")
        return sorted(date.fromisoformat(path.name[5:]) for path in found)

    def write(self, table: str, night: date, rows: Iterable[Any], name: str = "data") -> None:
        """Replaces one file of one night of a table."""
        self.write_table(table, night, to_table(TABLES[table], rows), name)

    def write_table(self, table: str, night: date, rows: Any, name: str = "data") -> None:
        """Replaces one file of one night with an Arrow table."""
        folder = self.partition(table, night)
        write_parquet(folder / f"{safe(name)}.parquet", rows)

    @contextlib.contextmanager
    def writing(self, table: str, night: date, name: str) -> Iterator[Writer]:
        """Replaces one file of one night, batch by batch; nothing changes where it fails."""
        import pyarrow.parquet as pq

        path = self.partition(table, night) / f"{safe(name)}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            schema = arrow_schema(TABLES[table])
            with pq.ParquetWriter(aside, schema, compression="zstd") as file:
                writer = Writer(TABLES[table], file)
                yield writer
                writer.flush()
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def batches(
        self, table: str, night: date, columns: Sequence[str], app: str | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Some columns of a night, a few thousand rows at a time; of one application, or of all."""
        for file in self.files(table, [night]):
            yield from parquet_batches(file, columns, ("app", [app]) if app else None)

    def files(self, table: str, nights: Sequence[date] | None = None) -> list[Path]:
        """The Parquet files of a table, in the nights asked for."""
        chosen = self.nights(table) if nights is None else nights
        return [file for n in chosen for file in sorted(self.partition(table, n).glob("*.parquet"))]

    def read(self, table: str, nights: Sequence[date] | None = None) -> list[Any]:
        """A table's records, in file order."""
        return [row for file in self.files(table, nights) for row in self.read_file(table, file)]

    def read_file(self, table: str, path: Path) -> list[Any]:
        """The records of one file of a table; none when it is not there."""
        return read_parquet(TABLES[table], path) if path.exists() else []

    def rows(self, sql: str, tables: dict[str, Sequence[date] | None]) -> list[dict[str, Any]]:
        """The rows of a query over named tables, each over the nights given (None: all)."""
        with connection() as db:
            for table, nights in tables.items():
                self.view(db, table, table, nights)
            return db.sql(sql).to_arrow_table().to_pylist()

    def view(
        self, db: Any, name: str, table: str, nights: Sequence[date] | None, where: str = "true"
    ) -> None:
        """A view over a table's files, or an empty table of its shape."""
        files = self.files(table, nights)
        if not files:
            empty = to_table(TABLES[table], [])
            db.register(f"{name}_empty", empty)
            db.execute(f"create or replace table {name} as from {name}_empty")
            return
        listed = ", ".join(quoted(str(file)) for file in files)
        db.execute(
            f"create or replace view {name} as select * from "  # noqa: S608  our own paths, quoted
            f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false) where {where}"
        )

    def inbox_files(self) -> dict[str, InboxFile]:
        """Every file seen, by its hash."""
        path = self.home / "inbox_files.json"
        rows = json.loads(path.read_text()) if path.exists() else []
        return {row["sha256"]: InboxFile(**row) for row in rows}

    def record_files(self, files: Iterable[InboxFile]) -> None:
        """Adds files to those seen."""
        seen = {**self.inbox_files(), **{file.sha256: file for file in files}}
        rows = [file._asdict() for _, file in sorted(seen.items())]
        replace(self.home / "inbox_files.json", canonical(rows))

    def add_labels(self, labels: Sequence[Label], name: str) -> int:
        """Appends a batch of labels under its content's name; the same batch twice is one."""
        lines = [canonical(dataclasses.asdict(label)) for label in labels]
        replace(self.home / "labels" / f"{safe(name)}.jsonl", b"\n".join(lines) + b"\n")
        return len(lines)

    def labels(self) -> list[Label]:
        """Every label, in the order of its batch's name; the later one wins nothing here."""
        found = []
        for path in sorted((self.home / "labels").glob("*.jsonl")):
            lines = path.read_bytes().splitlines()
            found += [Label(**json.loads(line)) for line in lines if line.strip()]
        return found

    def document(self, *parts: str) -> Any:
        """A small JSON document of the lake, or None."""
        path = self.home.joinpath(*parts)
        return json.loads(path.read_bytes()) if path.exists() else None

    def write_document(self, value: Any, *parts: str) -> Path:
        """Replaces a small JSON document."""
        path = self.home.joinpath(*parts)
        replace(path, json.dumps(value, indent=1, sort_keys=True, default=str).encode() + b"\n")
        return path

    def lock(self, *parts: str) -> Any:
        """A lock that dies with its process; a second writer waits for it."""
        from filelock import FileLock

        folder = self.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{safe('@'.join(parts))}.lock")

    @contextlib.contextmanager
    def used(self, *, alone: bool = False) -> Iterator[None]:
        """The home in use: by many at once, or by one who has to be alone; ends with its process.

        Raises:
            LakeError: it is in use, and `alone` was asked for.
        """
        import fcntl

        (self.home / "locks").mkdir(parents=True, exist_ok=True)
        with (self.home / "locks" / "use").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            except BlockingIOError as error:
                message = f"{self.home} is in use by a run; try again when it has ended"
                raise LakeError(message) from error
            yield

    def write_report(self, night: date, body: dict[str, Any], page: str, run: Any) -> Path:
        """Keeps a report's version for ever; writing the same version again changes nothing."""
        folder = self.report_folder(night, body["app"]) / safe(body["version"])
        if not (folder / "report.json").exists():
            replace(folder / "report.json", canonical(body) + b"\n")
            replace(folder / "run.json", canonical(run) + b"\n")
        self.write_page(night, body["app"], body["version"], page)
        return folder

    def write_page(self, night: date, app: str, version: str, page: str) -> None:
        """Replaces the page of a report's version."""
        folder = self.report_folder(night, app) / safe(version)
        replace(folder / "index.html", page.encode("utf-8", "replace"))

    def report_folder(self, night: date, app: str) -> Path:
        """Where the versions of an application's night are kept."""
        return self.home / "reports" / f"{night:%Y-%m-%d}" / safe(app)

    def report(self, night: date, app: str, version: str) -> dict[str, Any] | None:
        """One version of a report."""
        path = self.report_folder(night, app) / version / "report.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def current_reports(self) -> list[dict[str, Any]]:
        """The current version of every application's every night, oldest first."""
        found = []
        for path in sorted((self.home / "nights").glob("*.json")):
            state = json.loads(path.read_bytes())
            night = date.fromisoformat(path.stem)
            for app, version in sorted(state.get("reports", {}).items()):
                body = self.report(night, app, version)
                found += [body] if body else []
        return found

    def scratch(self, run_id: str) -> Path:
        """The folder of one run's scratch files."""
        folder = self.home / "runs" / safe(run_id)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sweep(self, now: float, older_than_s: float = 86_400) -> None:
        """Removes the scratch files of runs that were killed: no run is at work for so long."""
        for folder in (self.home / "runs").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if now - folder.stat().st_mtime > older_than_s:
                    self.drop_scratch(folder.name)

    def drop_scratch(self, run_id: str) -> None:
        """Removes a run's scratch files."""
        shutil.rmtree(self.home / "runs" / safe(run_id), ignore_errors=True)


class Writer:
    """Records on their way into one Parquet file, a batch in memory at a time."""

    def __init__(self, record: type, file: Any) -> None:
        self.record, self.file = record, file
        self.held: list[Any] = []

    def add(self, row: Any) -> None:
        """One more record."""
        self.held.append(row)
        if len(self.held) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """What is held becomes a row group."""
        if self.held:
            self.file.write_table(to_table(self.record, self.held))
            self.held = []

    def say(self, about: dict[str, str]) -> None:
        """Notes in the file's own metadata."""
        self.file.add_key_value_metadata(about)


def in_use(function: Callable[..., R]) -> Callable[..., R]:
    """A function of a lake during which nobody has the home alone."""

    @functools.wraps(function)
    def within(lake: Lake, *args: Any, **more: Any) -> R:
        with lake.used():
            return function(lake, *args, **more)

    return within


def write_parquet(path: Path, rows: Any) -> None:
    """Writes an Arrow table aside and renames it."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if set(RESTRICTED) & set(path.parts):
            restricted_file(aside, b"")
        pq.write_table(rows, aside, compression="zstd")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


@contextlib.contextmanager
def connection(path: Path | None = None) -> Iterator[Any]:
    """A DuckDB connection that never reaches the network for an extension."""
    import duckdb

    config: dict[str, Any] = {"autoinstall_known_extensions": "false", "TimeZone": "UTC"}
    db = duckdb.connect(str(path) if path else ":memory:", config=config)
    try:
        yield db
    finally:
        db.close()


def parquet(db: Any, files: Sequence[Path]) -> Any:
    """A relation over Parquet files of one shape."""
    return db.read_parquet(
        [str(file) for file in files], union_by_name=True, hive_partitioning=False
    )


def read_parquet(record: type[R], path: Path) -> list[R]:
    """The records of one file."""
    return from_rows(record, parquet_rows(path))


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of one file; a DuckDB connection would cost more than the reading."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        # One thread: these files are small, and Arrow's pool may abort a process that ends at once.
        return pq.read_table(file, use_threads=False, pre_buffer=False).to_pylist()


def parquet_batches(
    path: Path, columns: Sequence[str], only: tuple[str, Iterable[str]] | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Some columns of one file, a few thousand rows at a time.

    Args:
        path: the file.
        columns: which of its columns.
        only: a column and the values of it that rows must have; None: every row.
    """
    import pyarrow as pa
    import pyarrow.compute as arrow_compute
    import pyarrow.parquet as pq

    pc: Any = arrow_compute
    name, values = only or ("", ())
    read = list(dict.fromkeys([*columns, *([name] if only else [])]))
    wanted = as_column(list(values), pa.string())
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(BATCH, columns=read, use_threads=False):
            if only:
                batch = batch.filter(pc.is_in(batch[name], value_set=wanted))
            if batch.num_rows:
                yield batch.select(list(columns)).to_pylist()


def notes(path: Path) -> dict[str, str]:
    """What a file's writer noted in its metadata; empty where there is no file."""
    import pyarrow.parquet as pq

    if not path.exists():
        return {}
    found = pq.read_metadata(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}
