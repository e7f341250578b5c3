"""A home and its tables: Parquet files by table and night, small documents, locks.

Queries are in `queries`, labels in `label_records`, reports in `report_files`, paid answers in
`ledger`, scratch files in `scratch`. Nothing here knows what a score means.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from evals.records import encode_canonical
from evals.storage.checksums import format_document, verify_checksum
from evals.storage.damage import READING_ERRORS, explain_damage, set_aside
from evals.storage.errors import LakeError
from evals.storage.file_kinds import find_kind
from evals.storage.files import RESTRICTED, replace
from evals.storage.parquet_files import (
    RecordWriter,
    RowFilter,
    open_record_writer,
    read_records,
    stream_rows,
    write_parquet,
)
from evals.storage.record_tables import build_records, to_table
from evals.storage.store import LocalStore
from evals.storage.tables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 2
"""The version of a home's layout; `storage.migrations` moves an older home forward."""

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")

P = ParamSpec("P")
R = TypeVar("R")


class HomeInUse(LakeError):
    """Another process uses the home, and the caller needs it exclusively."""


class TableFile(NamedTuple):
    """One file of a table or a mart."""

    table: str
    path: Path


def require_safe_name(name: str) -> str:
    """Returns the name if it may be a part of a path.

    Raises:
        LakeError: it could leave its folder.
    """
    if not SAFE_NAME.fullmatch(name):
        raise LakeError(f"{name[:80]!r} cannot name a file; use letters, digits, '.', '_' and '-'")
    return name


def read_schema_version(home: Path) -> int:
    """Reads the schema version of a home.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    path = home / "schema.json"
    try:
        return int(json.loads(path.read_bytes())["schema_version"])
    except (ValueError, TypeError, KeyError) as error:
        raise explain_damage(path) from error


def write_schema_version(home: Path, version: int) -> None:
    """Writes the schema version of a home."""
    replace(home / "schema.json", encode_canonical({"schema_version": version}), durable=True)


@dataclasses.dataclass(frozen=True)
class Lake:
    """Everything a team stores under one home folder."""

    home: Path

    @property
    def store(self) -> LocalStore:
        """The files by their names."""
        return LocalStore(self.home)

    def open(self) -> Lake:
        """Makes the folder, for its owner alone, and checks its schema version.

        One that can only be read is left as it is.

        Raises:
            LakeError: another version of Andon wrote it.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in RESTRICTED if self.is_writable() else ():
            (self.home / name).mkdir(mode=0o700, exist_ok=True)
            (self.home / name).chmod(0o700)
        if not (self.home / "schema.json").exists():
            if self.list_nights("staged"):
                raise explain_damage(self.home / "schema.json")
            self.home.chmod(0o700)
            write_schema_version(self.home, SCHEMA_VERSION)
        version = read_schema_version(self.home)
        if version != SCHEMA_VERSION:
            is_older = version < SCHEMA_VERSION
            remedy = f"run `andon migrate --home {self.home}`" if is_older else "use a newer Andon"
            versions = f"schema version {version}, this Andon reads {SCHEMA_VERSION}"
            raise LakeError(f"{self.home} has {versions}; {remedy}")
        return self

    def is_open(self) -> bool:
        """Whether there is a home of this schema version; creates nothing."""
        path = self.home / "schema.json"
        return path.exists() and read_schema_version(self.home) == SCHEMA_VERSION

    def is_writable(self) -> bool:
        """Whether this user may write to the home, and its disk can be written."""
        by_effective = os.access in os.supports_effective_ids
        return os.access(self.home, os.W_OK, effective_ids=by_effective)

    def contains(self, path: Path) -> bool:
        """Whether a file is in the home."""
        return path.is_relative_to(self.home)

    def make_folder(self, *parts: str) -> Path:
        """Makes a folder of the home, and returns it."""
        folder = self.home.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make_inbox_folder(self, *parts: str) -> Path:
        """Makes the home's own inbox, or a folder in it, for its owner alone; returns it."""
        folder = self.home.joinpath("inbox", *parts)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def split_inbox_path(self, path: Path) -> tuple[str, ...]:
        """Returns the parts of a path within the home's own inbox; empty for one outside."""
        inbox = self.home / "inbox"
        return path.relative_to(inbox).parts if path.is_relative_to(inbox) else ()

    def lock(
        self, *parts: str, wait: bool | float = True
    ) -> contextlib.AbstractContextManager[None]:
        """Holds a lock that ends with its process; a second writer waits for it.

        Raises:
            LockHeldError: on entering, if another process holds it and `wait` is false, or so
                many seconds have passed.
        """
        return self.store.lock(require_safe_name("@".join(parts)), wait=wait)

    @contextlib.contextmanager
    def lock_home(self, *, exclusive: bool = False) -> Generator[None]:
        """Holds the lock on the whole home, shared or exclusive, which ends with its process.

        Raises:
            HomeInUse: another process uses the home, and `exclusive` was asked for.
        """
        with (self.make_folder("locks") / "use").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
            except BlockingIOError as error:
                message = f"{self.home} is in use by a run; try again when it has ended"
                raise HomeInUse(message) from error
            yield

    def read_document(self, name: str, parse: Callable[[Any], R]) -> R | None:
        """Reads a small JSON document; None if missing. `storage.documents` define its shape.

        A damaged one that its readers can do without is set aside and counts as missing.

        Raises:
            DamagedFileError: it is damaged and no cache.
        """
        data = self.store.read(name)
        if data is None:
            return None
        try:
            return parse(verify_checksum(json.loads(data)))
        except READING_ERRORS as error:
            path = self.store.path(name)
            if not find_kind(name).is_cache:
                raise explain_damage(path) from error
            with contextlib.suppress(OSError):  # a home that can only be read
                set_aside(path)
            return None

    def replace_document(self, name: str, value: object, *, durable: bool = False) -> None:
        """Replaces a small JSON document; durable: waits for the disk."""
        plain = json.loads(json.dumps(value, default=str))
        self.store.replace(name, format_document(plain), durable=durable)

    def locate_partition(self, table: str, night: date) -> Path:
        """Returns the folder of one night of a table."""
        return self.home / table / f"date={night:%Y-%m-%d}"

    def list_nights(self, table: str) -> list[date]:
        """Lists the nights a table has, oldest first."""
        folders = (self.home / table).glob("date=*")
        return sorted(date.fromisoformat(path.name[5:]) for path in folders)

    def list_files(self, table: str, nights: Sequence[date] | None = None) -> list[Path]:
        """Lists the Parquet files of a table, in the nights given or in all."""
        folders = (
            self.locate_partition(table, night)
            for night in (self.list_nights(table) if nights is None else nights)
        )
        return [file for folder in folders for file in sorted(folder.glob("*.parquet"))]

    def list_night_files(self, night: date) -> list[TableFile]:
        """Lists the Parquet files of every table and mart in a night."""
        pattern = f"date={night:%Y-%m-%d}/*.parquet"
        names = [n for top in ("*", "marts/*") for n in self.store.list_names(f"{top}/{pattern}")]
        return [TableFile(name.split("/")[-3], self.store.path(name)) for name in names]

    def delete_night(self, table: str, night: date) -> None:
        """Deletes one night of a table."""
        shutil.rmtree(self.locate_partition(table, night), ignore_errors=True)

    def write(self, table: str, night: date, rows: Iterable[object], name: str = "data") -> None:
        """Replaces one file of one night of a table."""
        self.write_table(table, night, to_table(TABLES[table], rows), name)

    def write_table(self, table: str, night: date, rows: pa.Table, name: str = "data") -> None:
        """Replaces one file of one night with an Arrow table."""
        write_parquet(
            self.locate_partition(table, night) / f"{require_safe_name(name)}.parquet", rows
        )

    def open_writer(
        self, table: str, night: date, name: str
    ) -> contextlib.AbstractContextManager[RecordWriter]:
        """Replaces one file of one night, batch by batch; nothing changes if it fails."""
        path = self.locate_partition(table, night) / f"{require_safe_name(name)}.parquet"
        return open_record_writer(TABLES[table], path)

    def read(self, table: str, nights: Sequence[date] | None = None) -> list[Any]:
        """Reads a table's records, in file order."""
        return [
            record
            for file in self.list_files(table, nights)
            for record in self.read_file(table, file)
        ]

    def read_file(self, table: str, path: Path) -> list[Any]:
        """Reads the records of one file of a table; none if it does not exist."""
        return read_records(TABLES[table], path) if path.exists() else []

    def stream_batches(
        self, table: str, night: date, columns: Sequence[str], app: str | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yields some columns of a night, a batch of rows at a time; of one application or all."""
        for file in self.list_files(table, [night]):
            yield from stream_rows(file, columns, ("app", [app]) if app else None)

    def stream_file(
        self, table: str, path: Path, row_filter: RowFilter | None = None
    ) -> Iterator[Any]:
        """Yields the records of one file of a table that match, a batch in memory at a time."""
        for rows in stream_rows(path, None, row_filter) if path.exists() else ():
            yield from build_records(TABLES[table], rows)

    def stream_night(self, table: str, night: date, row_filter: RowFilter) -> Iterator[Any]:
        """Yields the records of a night that match, in file order."""
        for file in self.list_files(table, [night]):
            yield from self.stream_file(table, file, row_filter)


def with_home_lock(
    function: Callable[Concatenate[Lake, P], R],
) -> Callable[Concatenate[Lake, P], R]:
    """Makes a function of a lake hold the home's shared lock while it runs."""

    @functools.wraps(function)
    def locked(lake: Lake, *args: P.args, **more: P.kwargs) -> R:
        with lake.lock_home():
            return function(lake, *args, **more)

    return locked
