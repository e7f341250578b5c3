"""Reads and writes Parquet files: whole, as records, or a batch of rows in memory at a time.

Which file belongs to which table is `lake`'s.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evals.storage.arrow_columns import build_array
from evals.storage.damage import detect_damage, explain_damage
from evals.storage.files import (
    is_restricted,
    open_temporary,
    prepare_replacement,
    require_temporary,
    was_written,
)
from evals.storage.store import FileState, read_file_states
from evals.storage.tables import build_records, build_schema, to_table

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

    def __init__(self, record: type, file: pq.ParquetWriter) -> None:
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
        open_parquet_writer(temporary, build_schema(record)) as file,
    ):
        writer = RecordWriter(record, file)
        yield writer
        writer.flush()


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Replaces a file by an Arrow table."""
    with (
        prepare_replacement(path) as temporary,
        open_parquet_writer(temporary, rows.schema) as file,
    ):
        file.write_table(rows)


def open_parquet_writer(
    temporary: Path, schema: pa.Schema, use_dictionary: bool | list[str] = True
) -> pq.ParquetWriter:
    """Opens a temporary Parquet file to write it by row groups."""
    import pyarrow.parquet as pq

    if is_restricted(temporary):
        open_temporary(temporary).close()
    return pq.ParquetWriter(
        require_temporary(temporary),
        schema,
        compression=CODEC,
        write_page_checksum=True,
        use_dictionary=use_dictionary,  # pyright: ignore[reportArgumentType] # or names of columns
    )


def read_records(record: type[R], path: Path) -> list[R]:
    """Reads the records of a file."""
    return build_records(record, read_rows(path))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a file; opening a DuckDB connection would take longer."""
    import pyarrow.parquet as pq

    with path.open("rb") as file, detect_damage(path):
        # One thread: these files are small, and Arrow's pool may abort a process that ends at once.
        rows = pq.read_table(  # pyright: ignore[reportUnknownMemberType] # a bare `list` in its stubs
            file, use_threads=False, pre_buffer=False, page_checksum_verification=True
        )
        return rows.to_pylist()


def open_verified(path: Path, buffer_size: int = 0) -> pq.ParquetFile:
    """Opens a Parquet file whose checksums are verified as it is read."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        path, pre_buffer=False, buffer_size=buffer_size, page_checksum_verification=True
    )


MAGIC = b"PAR1"


def has_both_ends(path: Path) -> bool:
    """Whether a file begins and ends as Parquet does: it is not cut short and no other content."""
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
        file.seek(max(0, path.stat().st_size - len(MAGIC)))
        return begin == file.read() == MAGIC and path.stat().st_size > 2 * len(MAGIC)


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
    if not has_both_ends(path):
        raise explain_damage(path)
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
