"""DuckDB over a lake's files: connections, views of tables, and queries.

The scratch warehouse that dbt builds in is `marts`'.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.storage.lake import Lake
from evals.storage.parquet_files import verify_files
from evals.storage.record_tables import to_table
from evals.storage.tables import ADDED_COLUMNS, TABLES

if TYPE_CHECKING:
    import duckdb


@contextlib.contextmanager
def open_duckdb(path: Path | None = None) -> Generator[duckdb.DuckDBPyConnection]:
    """Opens a DuckDB file, or one in memory, that never loads an extension from the network."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }
    db = duckdb.connect(str(path) if path else ":memory:", config=config)
    try:
        db.execute("set enable_progress_bar = false")  # it is written to the standard output
        yield db
    finally:
        db.close()


def query_tables(
    lake: Lake, sql: str, tables: Mapping[str, Sequence[date] | None]
) -> list[dict[str, Any]]:
    """Returns the rows of a query over tables, each over the nights given (None: all)."""
    with open_duckdb() as db:
        for table, nights in tables.items():
            create_table_view(db, lake, table, nights)
        return db.sql(sql).to_arrow_table().to_pylist()


def create_table_view(
    db: duckdb.DuckDBPyConnection, lake: Lake, table: str, nights: Sequence[date] | None
) -> None:
    """Creates a view over a table's files, or an empty table of its shape."""
    files = lake.list_files(table, nights)
    if not files:
        db.register(f"{table}_empty", to_table(TABLES[table], []))
        db.execute(f"create or replace table {table} as from {table}_empty")
        return
    verify_files(files)
    source = f"read_parquet({quote_paths(files)}, union_by_name=true, hive_partitioning=false)"
    db.execute(f"create or replace view {table} as {add_missing_columns(table, source)}")


def read_parquet_files(
    db: duckdb.DuckDBPyConnection, files: Sequence[Path]
) -> duckdb.DuckDBPyRelation:
    """Returns a relation over Parquet files of one shape."""
    verify_files(files)
    return db.read_parquet(
        [str(file) for file in files], union_by_name=True, hive_partitioning=False
    )


def add_missing_columns(table: str, source: str) -> str:
    """Returns a query of a table's files that adds, as nulls, columns that old files lack."""
    added = ADDED_COLUMNS.get(table, {})
    if not added:
        return f"from {source}"
    nulls = ", ".join(f"null::{kind} as {name}" for name, kind in added.items())
    return f"from {source} union all by name select {nulls} where false"


def quote_text(text: str) -> str:
    """Returns a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_paths(paths: Sequence[Path]) -> str:
    """Returns a SQL list of paths."""
    return f"[{', '.join(quote_text(str(path)) for path in paths)}]"
