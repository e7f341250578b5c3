"""Reads and writes Parquet files: whole, as records, or a batch of rows in memory at a time.

Which file belongs to which table is `lake`'s.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from evals.storage.arrow_columns import build_array
from evals.storage.damage import detect_damage, explain_damage
from evals.storage.files import (
    is_restricted,
    open_temporary,
    prepare_replacement,
    require_temporary,
    was_written,
)
from evals.storage.parquet_checksums import add_checksums, has_both_ends, verify_content
from evals.storage.record_tables import build_records, build_schema, to_table
from evals.storage.store import FileState, read_file_states

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

R = TypeVar("R")

BATCH_ROWS = 2048
"""Rows in memory at a time where a table is streamed."""

CODEC = "snappy"
"""The compression: texts take half the time of zstd, each time they are written and read, for two
fifths more of the disk."""

RowFilter = tuple[str, Collection[str]]
"""A column and the values of it that rows must have."""


class RecordWriter:
    """Writes records into one Parquet file, a batch in memory at a time."""

    def __init__(self, record: type, file: TableWriter) -> None:
        self.record, self.file = record, file
        self.batch: list[object] = []

    def add(self, row: object) -> None:
        """Adds a record."""
        self.batch.append(row)
        if len(self.batch) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Writes the batch as a row group."""
        if self.batch:
            self.file.write_table(to_table(self.record, self.batch))
            self.batch = []


@contextlib.contextmanager
def open_record_writer(record: type, path: Path) -> Generator[RecordWriter]:
    """Replaces a file by the records that are added; an error changes nothing."""
    with (
        prepare_replacement(path) as temporary,
        TableWriter(temporary, build_schema(record)) as file,
    ):
        writer = RecordWriter(record, file)
        yield writer
        writer.flush()


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Replaces a file by an Arrow table."""
    with (
        prepare_replacement(path) as temporary,
        TableWriter(temporary, rows.schema) as file,
    ):
        file.write_table(rows)


class TableWriter:
    """Writes Arrow tables into a temporary Parquet file, which has checksums once it is closed."""

    def __init__(
        self, temporary: Path, schema: pa.Schema, use_dictionary: bool | list[str] = True
    ) -> None:
        import pyarrow.parquet as pq

        if is_restricted(temporary):
            open_temporary(temporary).close()
        self.temporary = require_temporary(temporary)
        self.file = pq.ParquetWriter(
            temporary,
            schema,
            compression=CODEC,
            write_page_checksum=True,
            use_dictionary=use_dictionary,  # pyright: ignore[reportArgumentType] # or names of columns
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Closes the file; after an error it is not completed."""
        if kind is None:
            self.close()
        else:
            self.file.close()

    def write_table(self, rows: pa.Table, row_group_size: int | None = None) -> None:
        """Writes rows as row groups."""
        self.file.write_table(rows, row_group_size)

    def close(self) -> None:
        """Completes the file."""
        self.file.close()
        add_checksums(self.temporary)


def read_records(record: type[R], path: Path) -> list[R]:
    """Reads the records of a file."""
    return build_records(record, read_rows(path))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a file; opening a DuckDB connection would take longer."""
    import pyarrow.parquet as pq

    require_both_ends(path)
    with path.open("rb") as file, detect_damage(path):
        # One thread: these files are small, and Arrow's pool may abort a process that ends at once.
        rows = pq.read_table(  # pyright: ignore[reportUnknownMemberType] # a bare `list` in its stubs
            file, use_threads=False, pre_buffer=False, page_checksum_verification=True
        )
        return rows.to_pylist()


def require_both_ends(path: Path) -> None:
    """Checks both ends of a file before it is read: Arrow takes a damaged footer for another one.

    Raises:
        DamagedFileError: an end is damaged.
    """
    if not has_both_ends(path):
        raise explain_damage(path)


def open_verified(path: Path, buffer_size: int = 0) -> pq.ParquetFile:
    """Opens a Parquet file whose checksums are verified as it is read.

    Raises:
        DamagedFileError: an end is damaged.
    """
    import pyarrow.parquet as pq

    require_both_ends(path)
    return pq.ParquetFile(
        path, pre_buffer=False, buffer_size=buffer_size, page_checksum_verification=True
    )


def verify_files(paths: Iterable[Path]) -> None:
    """Verifies the checksums of files before DuckDB reads them, which does not.

    Leaves out what this process has written or verified.

    Raises:
        DamagedFileError: a file is damaged.
    """
    for path in paths:
        for state in read_file_states([path]):
            if not was_written(state.inode, state.changed_ns):
                verify_file(path, state)


@functools.lru_cache(maxsize=4096)
def verify_file(path: Path, state: FileState) -> None:
    """Verifies the checksums of one version of a file, once in a process.

    Raises:
        DamagedFileError: it is damaged.
    """
    is_intact = verify_content(path)
    if is_intact is False:
        raise explain_damage(path)
    if is_intact:
        return
    with detect_damage(path), open_verified(path) as opened:
        file: Any = opened  # whose stubs have a bare `list`
        for group in range(file.num_row_groups):
            file.read_row_group(group, use_threads=False)


def stream_rows(
    path: Path, columns: Sequence[str] | None = None, row_filter: RowFilter | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yields rows of a file in batches.

    Args:
        path: the file.
        columns: the columns to read; None: all. One that is younger than the file is left out.
        row_filter: which rows to read; None: all.
    """
    import pyarrow as pa
    import pyarrow.compute as arrow_compute

    pc: Any = arrow_compute
    name, values = row_filter or ("", ())
    wanted = build_array(list(values), pa.string())

    with detect_damage(path), open_verified(path, buffer_size=1 << 20) as opened:
        file: Any = opened  # whose stubs have a bare `list`
        known = set(file.schema_arrow.names)
        shown = [name for name in columns or file.schema_arrow.names if name in known]
        read = list(dict.fromkeys([*shown, *([name] if row_filter else [])]))

        def matches(group: int) -> bool:
            column = file.read_row_group(group, [name], use_threads=False)[name]
            return pc.any(pc.is_in(column, wanted)).as_py()

        groups = [n for n in range(file.num_row_groups) if not row_filter or matches(n)]
        for batch in file.iter_batches(
            BATCH_ROWS, row_groups=groups, columns=read, use_threads=False
        ):
            if row_filter:
                batch = batch.filter(pc.is_in(batch[name], value_set=wanted))
            if batch.num_rows:
                yield batch.select(shown).to_pylist()
