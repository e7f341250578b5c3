"""Files at rest: written aside and renamed, restricted where rows are raw, Parquet by batches.

Which file holds what is the lake's.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from evals.columns import column as as_column
from evals.tables import from_rows, to_table

R = TypeVar("R")
BATCH = 2048
"""Rows held in memory at a time where a table is streamed."""


CODEC = "snappy"
"""How Parquet is packed: texts take half the time of zstd, each time they are written and read, for
two fifths more of the disk."""

RESTRICTED = ("inbox", "pulls", "quarantine")
"""Folders of a home that hold rows as found: nobody but their owner may look into them."""


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


def write_parquet(path: Path, rows: Any) -> None:
    """Writes an Arrow table aside and renames it."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if set(RESTRICTED) & set(path.parts):
            restricted_file(aside, b"")
        pq.write_table(rows, aside, compression=CODEC)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


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
        return pq.read_table(file, use_threads=False, pre_buffer=False).to_pylist()


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

    def holds(file: Any, group: int) -> bool:
        found = file.read_row_group(group, [name], use_threads=False)[name]
        return pc.any(pc.is_in(found, value_set=wanted)).as_py()

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        shown = list(columns or file.schema_arrow.names)
        read = list(dict.fromkeys([*shown, *([name] if only else [])]))
        groups = [
            group
            for group in range(file.num_row_groups)
            if not only
            or pc.any(pc.is_in(file.read_row_group(group, [name])[name], wanted)).as_py()
        ]
        for batch in file.iter_batches(BATCH, row_groups=groups, columns=read, use_threads=False):
            if only:
                batch = batch.filter(pc.is_in(batch[name], value_set=wanted))
            if batch.num_rows:
                yield batch.select(shown).to_pylist()


def notes(path: Path) -> dict[str, str]:
    """What a file's writer noted in its metadata; empty where there is no file."""
    import pyarrow.parquet as pq

    if not path.exists():
        return {}
    found = pq.read_metadata(path).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}
