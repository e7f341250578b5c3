"""Rows of one file on their way to disk: split by night, written in row groups as they come.

Memory is bounded by bytes held, however long the file and however many its nights.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

from evals.records import Trace
from evals.storage.files import aside_of, parquet_writer
from evals.storage.lake import Lake, safe
from evals.storage.tables import arrow_schema, to_table

ROW_GROUP = 32 * 2**20
"""How many bytes of one night are held before they are written."""
MAX_HELD = 128 * 2**20
"""How many bytes of all nights are held before the largest is written."""
MAX_OPEN = 64
"""How many nights are written side by side."""
DICTIONARY_COLUMNS = [
    "app", "session_id", "model_requested", "model", "provider", "params", "prompt_name",
    "prompt_version", "prompt_hash", "git_commit", "versions", "finish_reason", "tags",
    "source_format", "source_file",
]  # fmt: skip
"""Columns whose values repeat: a dictionary serves these, and would only slow down the others."""
US = timedelta(microseconds=1)
DAY_US = timedelta(days=1) // US
EPOCH = date(1970, 1, 1)


class NightFiles:
    """The nights of a file being staged; leaving it without an error puts them in place."""

    def __init__(
        self,
        lake: Lake,
        name: str,
        shift: timedelta,
        constant: Mapping[str, Any] | None = None,
        table: str = "staged",
    ) -> None:
        self.lake, self.name, self.shift, self.table = lake, name, shift, table
        self.constant = constant or {}
        """What every row holds in a column that its table lacks."""
        self.rows: Counter[date] = Counter()
        self.held: dict[date, list[Any]] = {}
        self.bytes: Counter[date] = Counter()
        self.writers: dict[date, Any] = {}
        self.parts: list[tuple[Path, Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        """Writes what is held, then renames every part; after an error removes them."""
        try:
            self.close(kind is None)
            if kind is None:
                for aside, path in self.parts:
                    aside.replace(path)
        finally:
            self.remove_parts()

    @contextlib.contextmanager
    def leave_aside(self) -> Iterator[None]:
        """Leaves the parts aside, for another to put in place; after an error removes them."""
        try:
            yield
            self.close()
        except BaseException:
            self.close(whole=False)
            self.remove_parts()
            raise

    def close(self, whole: bool = True) -> None:
        """Ends every file, with what is still held where all went well."""
        if whole:
            for night in list(self.held):
                self.write_group(night)
        for night in list(self.writers):
            self.writers.pop(night).close()

    def remove_parts(self) -> None:
        """Removes what was not put in place."""
        for aside, _path in self.parts:
            aside.unlink(missing_ok=True)

    def add(self, rows: Any) -> None:
        """Takes an Arrow table of traces, of any nights."""
        import numpy as np
        import pyarrow as pa

        moments = rows["ts"].combine_chunks().view(pa.int64()).to_numpy()
        days = (moments - self.shift // US) // DAY_US
        if days.min() == days.max():
            self.hold_rows(int(days[0]), rows)
        else:
            for day in np.unique(days).tolist():
                self.hold_rows(day, rows.filter(days == day))
        while self.bytes.total() >= MAX_HELD:
            self.write_group(self.bytes.most_common(1)[0][0])

    def hold_rows(self, day: int, rows: Any) -> None:
        """Takes rows of one night, the days since 1970 at its date."""
        night = EPOCH + timedelta(days=day)
        self.rows[night] += len(rows)
        self.held.setdefault(night, []).append(rows)
        self.bytes[night] += rows.nbytes
        if self.bytes[night] >= ROW_GROUP:
            self.write_group(night)

    def write_empty(self, night: date) -> None:
        """A night of which only refused rows are known has a file without rows."""
        self.lake.write_table(self.table, night, to_table(Trace, []), self.name)

    def write_group(self, night: date) -> None:
        """Writes what is held of a night as one row group."""
        import pyarrow as pa

        held = self.held.pop(night, [])
        del self.bytes[night]
        if held:
            alike = itertools.groupby(held, key=lambda rows: rows.column_names)
            rows = pa.concat_tables([self.fill_columns(pa.concat_tables(own)) for _, own in alike])
            self.open_writer(night).write_table(rows, row_group_size=len(rows))

    def fill_columns(self, rows: Any) -> Any:
        """A table with every column there is."""
        import pyarrow as pa

        schema = arrow_schema(Trace)
        if len(schema) == rows.num_columns:
            return rows
        arrays = [
            rows[field.name]
            if field.name in rows.column_names
            else pa.repeat(pa.scalar(self.constant.get(field.name), field.type), len(rows))
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def open_writer(self, night: date) -> Any:
        """The open file of a night; where too many are open, another one ends."""
        if night not in self.writers:
            if len(self.writers) >= MAX_OPEN:
                self.writers.pop(next(iter(self.writers))).close()
            self.writers[night] = self.begin_file(night)
        return self.writers[night]

    def begin_file(self, night: date) -> Any:
        """Begins a file of a night, aside."""
        folder = self.lake.partition(self.table, night)
        part = sum(path.parent == folder for _, path in self.parts)
        name = f"{safe(self.name)}{f'.{part}' if part else ''}.parquet"
        aside = aside_of(folder / name)
        self.parts.append((aside, folder / name))
        repeated: Any = DICTIONARY_COLUMNS
        return parquet_writer(aside, arrow_schema(Trace), use_dictionary=repeated)
