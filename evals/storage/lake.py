"""Where data rests: the tables under `ANDON_HOME`, and the only place that writes them.

Knows shapes and paths; nothing here knows what a score means. See `ledger` for paid answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar

from evals.records import GoldValue, Json, JsonLike, Label, encode_canonical
from evals.storage import label_records
from evals.storage.files import (
    RESTRICTED,
    Only,
    Writer,
    find_leftovers,
    parquet_batches,
    parquet_writer,
    read_parquet,
    replace,
    replacing,
    write_parquet,
)
from evals.storage.locks import remove_free_locks
from evals.storage.store import LocalStore
from evals.storage.tables import (
    ADDED_COLUMNS,
    TABLES,
    InboxFile,
    arrow_schema,
    from_rows,
    to_table,
)

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SCHEMA_VERSION = 2
"""Of what is at rest; `storage.migrations` moves an older home forward."""


P = ParamSpec("P")
R = TypeVar("R")


SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


class LakeError(RuntimeError):
    """The home folder cannot be used as it is; the message says what to do."""


class HomeInUse(LakeError):
    """Somebody uses the home that one wants alone."""


class TableFile(NamedTuple):
    """One file of a table or a mart."""

    table: str
    path: Path


def safe(name: str) -> str:
    """The name, if it may be a part of a path.

    Raises:
        LakeError: when it could climb out of its folder.
    """
    if not SAFE.fullmatch(name):
        raise LakeError(f"{name[:80]!r} cannot name a file; use letters, digits, '.', '_' and '-'")
    return name


def schema_version(home: Path) -> int:
    """The schema version of a home."""
    return json.loads((home / "schema.json").read_bytes())["schema_version"]


def write_schema_version(home: Path, version: int) -> None:
    """Notes the schema version of a home."""
    replace(home / "schema.json", encode_canonical({"schema_version": version}), durable=True)


@dataclasses.dataclass(frozen=True)
class Lake:
    """Everything a team keeps under one home folder."""

    home: Path

    @property
    def store(self) -> LocalStore:
        """The files by their names."""
        return LocalStore(self.home)

    def open(self) -> Lake:
        """Makes the folder and checks its schema version.

        Raises:
            LakeError: when another version of Andon wrote it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        for name in RESTRICTED:
            (self.home / name).mkdir(mode=0o700, exist_ok=True)
            (self.home / name).chmod(0o700)
        if not (self.home / "schema.json").exists():
            write_schema_version(self.home, SCHEMA_VERSION)
        found = schema_version(self.home)
        if found != SCHEMA_VERSION:
            older = found < SCHEMA_VERSION
            remedy = f"run `andon migrate --home {self.home}`" if older else "use a newer Andon"
            versions = f"schema version {found}, this Andon reads {SCHEMA_VERSION}"
            raise LakeError(f"{self.home} has {versions}; {remedy}")
        return self

    def is_open(self) -> bool:
        """Whether there is a home, and of this schema version; nothing is made."""
        stamp = self.home / "schema.json"
        return stamp.exists() and schema_version(self.home) == SCHEMA_VERSION

    def partition(self, table: str, night: date) -> Path:
        """The folder of one night of a table."""
        return self.home / table / f"date={night:%Y-%m-%d}"

    def nights(self, table: str) -> list[date]:
        """The nights a table has, oldest first."""
        found = (self.home / table).glob("date=*")
        return sorted(date.fromisoformat(path.name[5:]) for path in found)

    def list_night_files(self, night: date) -> list[TableFile]:
        """The Parquet files of every table and mart in a night."""
        pattern = f"date={night:%Y-%m-%d}/*.parquet"
        names = [n for top in ("*", "marts/*") for n in self.store.list_names(f"{top}/{pattern}")]
        return [TableFile(name.split("/")[-3], self.store.path(name)) for name in names]

    def delete_night(self, table: str, night: date) -> None:
        """Deletes one night of a table."""
        shutil.rmtree(self.partition(table, night), ignore_errors=True)

    def write(self, table: str, night: date, rows: Iterable[object], name: str = "data") -> None:
        """Replaces one file of one night of a table."""
        self.write_table(table, night, to_table(TABLES[table], rows), name)

    def write_table(self, table: str, night: date, rows: pa.Table, name: str = "data") -> None:
        """Replaces one file of one night with an Arrow table."""
        folder = self.partition(table, night)
        write_parquet(folder / f"{safe(name)}.parquet", rows)

    @contextlib.contextmanager
    def writing(self, table: str, night: date, name: str) -> Generator[Writer]:
        """Replaces one file of one night, batch by batch; nothing changes where it fails."""
        path = self.partition(table, night) / f"{safe(name)}.parquet"
        schema = arrow_schema(TABLES[table])
        with replacing(path) as aside, parquet_writer(aside, schema) as file:
            writer = Writer(TABLES[table], file)
            yield writer
            writer.flush()

    def batches(
        self, table: str, night: date, columns: Sequence[str], app: str | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Some columns of a night, a few thousand rows at a time; of one application, or of all."""
        for file in self.files(table, [night]):
            yield from parquet_batches(file, columns, ("app", [app]) if app else None)

    def each(self, table: str, path: Path, only: Only | None = None) -> Iterator[Any]:
        """The records of one file of a table, or some of them, a batch in memory at a time."""
        for rows in parquet_batches(path, None, only) if path.exists() else ():
            yield from from_rows(TABLES[table], rows)

    def picked(self, table: str, night: date, only: Only) -> Iterator[Any]:
        """The records of a night that have one of some values in a column, in file order."""
        for file in self.files(table, [night]):
            yield from self.each(table, file, only)

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
        self,
        db: duckdb.DuckDBPyConnection,
        name: str,
        table: str,
        nights: Sequence[date] | None,
        where: str = "true",
    ) -> None:
        """A view over a table's files, or an empty table of its shape."""
        files = self.files(table, nights)
        if not files:
            empty = to_table(TABLES[table], [])
            db.register(f"{name}_empty", empty)
            db.execute(f"create or replace table {name} as from {name}_empty")
            return
        listed = ", ".join(quoted(str(file)) for file in files)
        source = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
        source = with_added_columns(table, source)
        db.execute(
            f"create or replace view {name} as select * from "  # noqa: S608  our own paths, quoted
            f"({source}) where {where}"
        )

    def raw_folder(self, *parts: str) -> Path:
        """The home's own inbox, or a folder in it, made for its owner alone."""
        folder = self.home.joinpath("inbox", *parts)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def contains(self, path: Path) -> bool:
        """Whether a file is in the home."""
        return path.is_relative_to(self.home)

    def raw_place(self, path: Path) -> tuple[str, ...]:
        """Where a file lies in the home's own inbox, part by part; empty where it does not."""
        inbox = self.home / "inbox"
        return path.relative_to(inbox).parts if path.is_relative_to(inbox) else ()

    def inbox_files(self) -> dict[str, InboxFile]:
        """Every file seen, by its hash."""
        rows: list[dict[str, Any]] = self.read_document("inbox_files.json") or []
        return {row["sha256"]: InboxFile(**row) for row in rows}

    def record_files(self, files: Iterable[InboxFile]) -> None:
        """Adds files to those seen."""
        seen = {**self.inbox_files(), **{file.sha256: file for file in files}}
        rows = [file._asdict() for _, file in sorted(seen.items())]
        self.store.replace("inbox_files.json", encode_canonical(rows))

    def add_labels(self, labels: Sequence[Label], name: str) -> int:
        """Appends a batch of labels under its content's name; the same batch twice is one."""
        rows = [label_records.label_row(label) for label in labels]
        return label_records.write_rows(self.home / "labels" / f"{safe(name)}.jsonl", rows)

    def labels(self) -> list[Label]:
        """Every label that no other supersedes, in the order of its batch's name."""
        return label_records.without_superseded(
            label_records.parse_label(row)
            for path in sorted((self.home / "labels").glob("*.jsonl"))
            for row in label_records.read_rows(path)
        )

    def add_gold_values(self, values: Sequence[GoldValue], name: str) -> int:
        """Appends a batch of gold values under its content's name."""
        rows = [label_records.gold_row(value) for value in values]
        return label_records.write_rows(self.home / "gold" / f"{safe(name)}.jsonl", rows)

    def gold_values(self) -> list[GoldValue]:
        """Every gold value of single subjects, in the order of its batch's name."""
        return [
            GoldValue(**row)
            for path in sorted((self.home / "gold").glob("*.jsonl"))
            for row in label_records.read_rows(path)
        ]

    def change_labels(
        self, folder: Literal["labels", "gold"], change: label_records.ChangeRow
    ) -> int:
        """Changes rows of labels or gold values, or removes them (None); returns how many."""
        return label_records.change_rows(self.home / folder, change)

    def read_document(self, name: str) -> Any:
        """A small JSON document, or None; its shape is known to `storage.documents`."""
        data = self.store.read(name)
        return None if data is None else json.loads(data)

    def replace_document(self, name: str, value: object, *, durable: bool = False) -> None:
        """Replaces a small JSON document; durable: waits for the disk."""
        text = json.dumps(value, indent=1, sort_keys=True, default=str)
        self.store.replace(name, text.encode() + b"\n", durable=durable)

    def lock(self, *parts: str, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        """A lock that dies with its process; a second writer waits for it.

        Raises:
            LockHeldError: on entering, where somebody holds it and `wait` is false.
        """
        return self.store.lock(safe("@".join(parts)), wait=wait)

    @contextlib.contextmanager
    def used(self, *, alone: bool = False) -> Generator[None]:
        """The home in use: by many at once, or by one who has to be alone; ends with its process.

        Raises:
            HomeInUse: it is in use, and `alone` was asked for.
        """
        import fcntl

        (self.home / "locks").mkdir(parents=True, exist_ok=True)
        with (self.home / "locks" / "use").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            except BlockingIOError as error:
                message = f"{self.home} is in use by a run; try again when it has ended"
                raise HomeInUse(message) from error
            yield

    def write_report(self, night: date, body: Mapping[str, Json], page: str, run: JsonLike) -> Path:
        """Keeps a report's version for ever; writing the same version again changes nothing."""
        app, version = str(body["app"]), str(body["version"])
        folder = self.report_folder(night, app) / safe(version)
        if not (folder / "report.json").exists():
            replace(folder / "report.json", encode_canonical(body) + b"\n")
            replace(folder / "run.json", encode_canonical(run) + b"\n")
        self.write_page(night, app, version, page)
        return folder

    def write_page(self, night: date, app: str, version: str, page: str) -> None:
        """Replaces the page of a report's version."""
        folder = self.report_folder(night, app) / safe(version)
        replace(folder / "index.html", page.encode("utf-8", "replace"))

    def report_folder(self, night: date, app: str) -> Path:
        """Where the versions of an application's night are kept."""
        return self.home / "reports" / f"{night:%Y-%m-%d}" / safe(app)

    def report(self, night: date, app: str, version: str) -> dict[str, Json] | None:
        """One version of a report."""
        path = self.report_folder(night, app) / version / "report.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def current_reports(self) -> list[dict[str, Json]]:
        """The current version of every application's every night, oldest first."""
        found: list[dict[str, Json]] = []
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

    @contextlib.contextmanager
    def temporary_folder(self) -> Generator[Path]:
        """A folder until the block ends; what a killed process leaves of it is swept."""
        runs = self.home / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=runs) as folder:
            yield Path(folder)

    def open_nameless(self) -> int:
        """A descriptor of a new file without a name: it ends with the process."""
        runs = self.home / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        file, path = tempfile.mkstemp(dir=runs)
        os.unlink(path)  # noqa: PTH108  the name only: the file lives while it is open
        return file

    def dagster_folder(self) -> Path:
        """The folder of the home's Dagster instance."""
        folder = self.home / "dagster"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def sweep(self, now: float, older_than_s: float = 86_400) -> None:
        """Removes what killed runs left: locks, and scratch files and files aside of long ago."""
        remove_free_locks(self.home / "locks")
        for path in find_leftovers(self.home):
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > older_than_s:
                    path.unlink()
        for folder in (self.home / "runs").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if now - folder.stat().st_mtime > older_than_s:
                    self.drop_scratch(folder.name)

    def drop_scratch(self, run_id: str) -> None:
        """Removes a run's scratch files."""
        shutil.rmtree(self.home / "runs" / safe(run_id), ignore_errors=True)


def in_use(function: Callable[Concatenate[Lake, P], R]) -> Callable[Concatenate[Lake, P], R]:
    """A function of a lake during which nobody has the home alone."""

    @functools.wraps(function)
    def within(lake: Lake, *args: P.args, **more: P.kwargs) -> R:
        with lake.used():
            return function(lake, *args, **more)

    return within


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def with_added_columns(table: str, source: str) -> str:
    """A query over a table's files that has every column, also where all files are older."""
    added = ADDED_COLUMNS.get(table, {})
    if not added:
        return f"from {source}"
    nulls = ", ".join(f"null::{kind} as {name}" for name, kind in added.items())
    return f"from {source} union all by name select {nulls} where false"


@contextlib.contextmanager
def connection(path: Path | None = None) -> Generator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that never reaches the network for an extension."""
    import duckdb

    config: dict[str, Any] = {"autoinstall_known_extensions": "false", "TimeZone": "UTC"}
    db = duckdb.connect(str(path) if path else ":memory:", config=config)
    try:
        yield db
    finally:
        db.close()


def parquet(db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """A relation over Parquet files of one shape."""
    return db.read_parquet(
        [str(file) for file in files], union_by_name=True, hive_partitioning=False
    )
