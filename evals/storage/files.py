"""Files at rest: written aside and renamed, restricted where rows are raw, Parquet by batches.

The only module that opens a file to write it, except for what `tests/evals/storage/test_files.py`
lists. Which file holds what is the lake's.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from evals.storage.arrow_columns import column as as_column
from evals.storage.tables import from_rows, to_table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

R = TypeVar("R")
BATCH = 2048
"""Rows held in memory at a time where a table is streamed."""


CODEC = "snappy"
"""How Parquet is packed: texts take half the time of zstd, each time they are written and read, for
two fifths more of the disk."""

RESTRICTED = ("inbox", "pulls", "quarantine")
"""Folders of a home that hold rows as found: nobody but their owner may look into them."""


ASIDE = re.compile(r"\.[0-9a-f]{16}\.aside(\.wal)?")
"""Names of files aside; DuckDB keeps a log beside its own. They reveal nothing of the content."""


def is_restricted(path: Path) -> bool:
    """Whether a file lies in a folder for its owner alone."""
    return bool(set(RESTRICTED) & set(path.parts))


def aside_of(path: Path) -> Path:
    """A new name in a file's folder, to write its next content under."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{secrets.token_hex(8)}.aside")


def open_aside(aside: Path, *, restricted: bool = False) -> BinaryIO:
    """Opens a file aside to write it; restricted: for its owner alone from its first byte on.

    Raises:
        ValueError: the name is none of a file aside.
    """
    require_aside(aside)
    mode = 0o600 if restricted or is_restricted(aside) else 0o666
    return os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb")


def require_aside(aside: Path) -> Path:
    """Returns the path if it is aside: nothing is written where it will be read.

    Raises:
        ValueError: it is not.
    """
    if not ASIDE.fullmatch(aside.name):
        raise ValueError(f"{aside} would be written in place; write `aside_of` it and rename")
    return aside


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A name aside to write a file under, renamed when all went well; else nothing changes."""
    aside = aside_of(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def rewriting(path: Path) -> Generator[BinaryIO]:
    """The same with the file opened."""
    with replacing(path) as aside, open_aside(aside) as file:
        yield file


def replace(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Writes a file aside and renames it, so that a reader never sees half of it.

    Args:
        path: the file.
        data: its new content.
        durable: wait for the disk, for what cannot be made again after a power cut.
    """
    with rewriting(path) as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable:
        sync_folder(path.parent)


def create(path: Path, data: bytes) -> None:
    """Writes a file for its owner alone, unless there is one: two who do so at once agree."""
    aside = aside_of(path)
    try:
        with open_aside(aside, restricted=True) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until a folder's names are on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def link_aside(source: Path, aside: Path) -> None:
    """The same file under another name; a copy where the disk knows no such names."""
    try:
        os.link(source, require_aside(aside))
    except OSError:
        shutil.copyfile(source, aside)


def find_leftovers(folder: Path) -> Iterator[Path]:
    """Yields the files aside under a folder: of running writers, or of killed ones."""
    for path in folder.rglob(".*.aside*"):
        if ASIDE.fullmatch(path.name) and path.is_file():
            yield path


class Writer:
    """Records on their way into one Parquet file, a batch in memory at a time."""

    def __init__(self, record: type, file: pq.ParquetWriter) -> None:
        self.record, self.file = record, file
        self.held: list[object] = []

    def add(self, row: object) -> None:
        """Adds a record."""
        self.held.append(row)
        if len(self.held) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Writes the buffered records as a row group."""
        if self.held:
            self.file.write_table(to_table(self.record, self.held))
            self.held = []


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Writes an Arrow table aside and renames it."""
    with replacing(path) as aside, parquet_writer(aside, rows.schema) as file:
        file.write_table(rows)


def parquet_writer(aside: Path, schema: pa.Schema, **options: Any) -> pq.ParquetWriter:
    """A Parquet file aside, to be written by row groups."""
    import pyarrow.parquet as pq

    if is_restricted(aside):
        open_aside(aside).close()
    return pq.ParquetWriter(require_aside(aside), schema, compression=CODEC, **options)


Only = tuple[str, Collection[str]]
"""A column and the values of it that rows must have."""


def read_parquet(record: type[R], path: Path) -> list[R]:
    """The records of one file."""
    return from_rows(record, parquet_rows(path))


def parquet_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of one file; a DuckDB connection would cost more than the reading."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        # One thread: these files are small, and Arrow's pool may abort a process that ends at once.
        rows = pq.read_table(  # pyright: ignore[reportUnknownMemberType] # a bare `list` in its stubs
            file, use_threads=False, pre_buffer=False
        )
        return rows.to_pylist()


def parquet_batches(
    path: Path, columns: Sequence[str] | None = None, only: Only | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Some columns of one file, or all, a few thousand rows at a time; only some rows, or all."""
    import pyarrow as pa
    import pyarrow.compute as arrow_compute
    import pyarrow.parquet as pq

    pc: Any = arrow_compute
    name, values = only or ("", ())
    wanted = as_column(list(values), pa.string())

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as opened:
        file: Any = opened  # whose stubs have a bare `list`
        shown = list(columns or file.schema_arrow.names)
        read = list(dict.fromkeys([*shown, *([name] if only else [])]))
        groups = [
            group
            for group in range(file.num_row_groups)
            if not only
            or pc.any(
                pc.is_in(file.read_row_group(group, [name], use_threads=False)[name], wanted)
            ).as_py()
        ]
        for batch in file.iter_batches(BATCH, row_groups=groups, columns=read, use_threads=False):
            if only:
                batch = batch.filter(pc.is_in(batch[name], value_set=wanted))
            if batch.num_rows:
                yield batch.select(shown).to_pylist()
