"""Writes the rows of one file, split by night, in row groups as they come.

Memory is bounded by the bytes buffered, however long the file and however many its nights.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Generator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from evals.records import Trace
from evals.storage.files import choose_temporary_path, rename_whole
from evals.storage.lake import Lake, require_safe_name
from evals.storage.parquet_files import TableWriter
from evals.storage.record_tables import build_schema, to_table

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 32 * 2**20
"""Bytes of one night that are buffered before they are written."""
MAX_BUFFERED = 128 * 2**20
"""Bytes of all nights that are buffered before the largest is written."""
MAX_OPEN = 64
"""How many files are open at once."""
DICTIONARY_COLUMNS = [
    "app", "session_id", "model_requested", "model", "provider", "params", "prompt_name",
    "prompt_version", "prompt_hash", "git_commit", "versions", "finish_reason", "tags",
    "source_format", "source_file",
]  # fmt: skip
"""Columns with repeating values: dictionary encoding suits them, and slows down the others."""
US = timedelta(microseconds=1)
DAY_US = timedelta(days=1) // US
EPOCH = date(1970, 1, 1)


class NightFiles:
    """Writes the nights of a file being staged; leaving it without an error publishes them."""

    def __init__(
        self,
        lake: Lake,
        name: str,
        shift: timedelta,
        constant: Mapping[str, object] | None = None,
        table: str = "staged",
    ) -> None:
        self.lake, self.name, self.shift, self.table = lake, name, shift, table
        self.constant = constant or {}
        """Values of columns that a table lacks, the same in every row."""
        self.rows: Counter[date] = Counter()
        self.buffers: dict[date, list[pa.Table]] = {}
        self.bytes: Counter[date] = Counter()
        self.writers: dict[date, TableWriter] = {}
        self.parts: list[tuple[Path, Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Writes what is buffered, then renames every part; after an error removes them."""
        try:
            self.close(kind is None)
            if kind is None:
                for aside, path in self.parts:
                    rename_whole(aside, path)
        finally:
            self.remove_parts()

    @contextlib.contextmanager
    def leave_aside(self) -> Generator[None]:
        """Leaves the parts for another process to publish; after an error removes them."""
        try:
            yield
            self.close()
        except BaseException:
            self.close(whole=False)
            self.remove_parts()
            raise

    def close(self, whole: bool = True) -> None:
        """Closes every file, first writing what is buffered if `whole`."""
        if whole:
            for night in list(self.buffers):
                self.write_group(night)
        for night in list(self.writers):
            self.writers.pop(night).close()

    def remove_parts(self) -> None:
        """Removes the parts that were not published."""
        for aside, _path in self.parts:
            aside.unlink(missing_ok=True)

    def add(self, rows: pa.Table) -> None:
        """Adds an Arrow table of traces, of any nights."""
        import numpy as np
        import pyarrow as pa

        timestamps = rows["ts"].combine_chunks().view(pa.int64()).to_numpy()
        days = (timestamps - self.shift // US) // DAY_US
        if days.min() == days.max():
            self.buffer_rows(int(days[0]), rows)
        else:
            for day in np.unique(days).tolist():
                self.buffer_rows(day, rows.filter(days == day))
        while self.bytes.total() >= MAX_BUFFERED:
            self.write_group(self.bytes.most_common(1)[0][0])

    def buffer_rows(self, day: int, rows: pa.Table) -> None:
        """Buffers rows of one night, given as days since 1970."""
        night = EPOCH + timedelta(days=day)
        self.rows[night] += len(rows)
        self.buffers.setdefault(night, []).append(rows)
        self.bytes[night] += rows.nbytes
        if self.bytes[night] >= ROW_GROUP:
            self.write_group(night)

    def write_empty(self, night: date) -> None:
        """Writes a file without rows for a night that has only refused rows."""
        self.lake.write_table(self.table, night, to_table(Trace, []), self.name)

    def write_group(self, night: date) -> None:
        """Writes the buffered rows of a night as one row group."""
        import pyarrow as pa

        buffered = self.buffers.pop(night, [])
        del self.bytes[night]
        if buffered:
            groups = itertools.groupby(buffered, key=lambda rows: rows.column_names)
            rows = pa.concat_tables(
                [self.fill_columns(pa.concat_tables(group)) for _, group in groups]
            )
            self.open_writer(night).write_table(rows, row_group_size=len(rows))

    def fill_columns(self, rows: pa.Table) -> pa.Table:
        """Returns a table with every column of traces."""
        import pyarrow as pa

        schema = build_schema(Trace)
        if len(schema) == rows.num_columns:
            return rows
        arrays: list[Any] = [  # a stub's gap: an array of any type
            rows[field.name]
            if field.name in rows.column_names
            else pa.repeat(self.build_scalar(field), len(rows))
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def build_scalar(self, field: pa.Field[Any]) -> Any:
        """Returns the constant value of a column."""
        import pyarrow as pa

        return cast("Any", pa.scalar)(self.constant.get(field.name), field.type)

    def open_writer(self, night: date) -> TableWriter:
        """Returns the open file of a night; closes another one if too many are open."""
        if night not in self.writers:
            if len(self.writers) >= MAX_OPEN:
                self.writers.pop(next(iter(self.writers))).close()
            self.writers[night] = self.create_file(night)
        return self.writers[night]

    def create_file(self, night: date) -> TableWriter:
        """Creates a file of a night under a temporary name."""
        folder = self.lake.locate_partition(self.table, night)
        part = sum(path.parent == folder for _, path in self.parts)
        name = f"{require_safe_name(self.name)}{f'.{part}' if part else ''}.parquet"
        aside = choose_temporary_path(folder / name)
        self.parts.append((aside, folder / name))
        return TableWriter(aside, build_schema(Trace), use_dictionary=DICTIONARY_COLUMNS)
