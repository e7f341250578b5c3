"""The scratch warehouse that dbt builds in, the published marts, and `warehouse.duckdb`.

DuckDB allows one writer per file, so each run has its own; joins and rates are dbt's.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.storage.damage import report
from evals.storage.files import prepare_replacement
from evals.storage.lake import Lake
from evals.storage.night_state import read_state
from evals.storage.parquet_files import read_rows, stream_rows, verify_files, write_parquet
from evals.storage.queries import (
    add_missing_columns,
    open_duckdb,
    quote_paths,
    quote_text,
    read_parquet_files,
)
from evals.storage.record_tables import to_table
from evals.storage.scratch import make_run_folder
from evals.storage.tables import TABLES
from evals.table_rows import MappedLabel, SliceRow

if TYPE_CHECKING:
    import duckdb

SLICE_MARTS = ("dim_slices", "fct_slice_members", "rpt_topics")
QUALITY_MARTS = (
    "fct_scores",
    "fct_verdicts",
    "fct_agreement",
    "fct_disagreements",
    "rpt_rates",
    "rpt_failures",
    "rpt_provenance",
    "rpt_statuses",
    "rpt_guard_audit",
    "rpt_cause_rates",
    "rpt_strata",
)


def locate_scratch_file(lake: Lake, run_id: str) -> Path:
    """Returns the path of a run's DuckDB file."""
    return make_run_folder(lake, run_id) / "andon.duckdb"


def list_locked_files(
    lake: Lake, table: str, nights: Sequence[date], broken: Collection[str] = ()
) -> list[Path]:
    """Lists the files of the nights' locked evaluator versions, except of broken applications.

    Args:
        lake: the lake.
        table: `scores` or another table with one file per evaluator version.
        nights: the nights.
        broken: applications with a broken catalog file.
    """
    files: list[Path] = []
    for night in nights:
        for app, versions in sorted(read_state(lake, night).evaluators.items()):
            if app in broken:
                continue
            names = (f"{name}@{app}@{version}.parquet" for name, version in versions.items())
            folder = lake.locate_partition(table, night)
            files += [folder / name for name in sorted(names) if (folder / name).exists()]
    return files


def fill_scratch_file(
    lake: Lake,
    run_id: str,
    nights: Sequence[date],
    labels: Sequence[MappedLabel],
    slices: Sequence[SliceRow],
    broken: Collection[str] = (),
) -> Path:
    """Adds the nights' tables to the run's scratch file, as sources of dbt; returns its path.

    Args:
        lake: the lake.
        run_id: the run.
        nights: the nights.
        labels: people's labels under the suites' dimension names.
        slices: the catalog's slices.
        broken: applications with a broken catalog file, which are left out.
    """
    path = locate_scratch_file(lake, run_id)
    with open_duckdb(path) as db:
        db.execute("create schema if not exists lake")
        create_view(db, "traces", lake.list_files("traces", nights), broken, partitioned=True)
        create_view(db, "requests", lake.list_files("requests", nights), broken)
        create_view(db, "scores", list_locked_files(lake, "scores", nights, broken))
        create_view(db, "verdicts", lake.list_files("verdicts", nights), broken)
        create_table(db, "labels", "labels_mapped", labels)
        create_table(db, "slices", "slices", slices)
        for model in SLICE_MARTS:
            restore_mart(db, lake, model, nights)
    return path


def store_mapped_labels(lake: Lake, night: date, rows: Sequence[MappedLabel]) -> None:
    """Stores what people decided on a night's traces, unless that is stored already."""
    if list(rows) != lake.read("labels_mapped", [night]):
        lake.write("labels_mapped", night, rows)


def create_view(
    db: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[Path],
    broken: Collection[str] = (),
    *,
    partitioned: bool = False,
) -> None:
    """Creates a view over files as `lake.NAME`, or an empty table of that shape.

    Leaves out the rows of broken applications.
    """
    drop_relation(db, name)
    if not files:
        extra = "null::date as date, " if partitioned else ""
        db.register("empty", to_table(TABLES[name], []))
        db.execute(f"create table lake.{name} as select {extra}* from empty")  # noqa: S608  our names
        return
    hive = "true, hive_types={'date': DATE}" if partitioned else "false"
    verify_files(files)
    paths = quote_paths(files)
    source = f"read_parquet({paths}, union_by_name=true, hive_partitioning={hive})"
    rows = add_missing_columns(name, source)
    if broken:
        apps = ", ".join(map(quote_text, sorted(broken)))
        rows = f"from ({rows}) where app not in ({apps})"
    db.execute(f"create view lake.{name} as {rows}")


def create_table(
    db: duckdb.DuckDBPyConnection, name: str, kind: str, rows: Sequence[object]
) -> None:
    """Creates a table of records as `lake.NAME`."""
    drop_relation(db, name)
    db.register("rows", to_table(TABLES[kind], rows))
    db.execute(f"create table lake.{name} as from rows")


def drop_relation(db: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drops the view or table `lake.NAME`, since a retried step fills the same file again."""
    for kind, listing in (("view", "duckdb_views()"), ("table", "duckdb_tables()")):
        where = f"schema_name = 'lake' and {kind}_name = {quote_text(name)}"
        if db.sql(f"from {listing} where {where}").fetchall():
            db.execute(f"drop {kind} lake.{name}")


def restore_mart(
    db: duckdb.DuckDBPyConnection, lake: Lake, model: str, nights: Sequence[date]
) -> None:
    """Copies a published mart into the scratch file, unless the run has built it."""
    if db.sql(f"from duckdb_tables() where table_name = '{model}'").fetchall():
        return
    files = list_mart_files(lake, model, nights)
    if files:
        db.register("published", read_parquet_files(db, files).fetch_arrow_table())
        db.execute(f"create table main.{model} as from published")


def list_mart_files(lake: Lake, model: str, nights: Sequence[date]) -> list[Path]:
    """Lists the published files of a mart."""
    folder = lake.home / "marts" / model
    files = [folder / f"date={night.isoformat()}" / "data.parquet" for night in nights]
    whole = folder / "data.parquet"
    return [file for file in (whole, *files) if file.exists()]


def publish_marts(lake: Lake, run_id: str, nights: Sequence[date], models: Sequence[str]) -> None:
    """Moves marts from the scratch file into the lake, one file per model × night."""
    with open_duckdb(locate_scratch_file(lake, run_id)) as db:
        for model in models:
            columns = db.sql(f"from main.{model} limit 0").columns
            folder = lake.home / "marts" / model
            if "date" not in columns:
                rows = db.sql(f"from main.{model} order by all").fetch_arrow_table()
                write_parquet(folder / "data.parquet", rows)
                continue
            for night in nights:
                where = f"from main.{model} where date = date '{night.isoformat()}' order by all"
                rows = db.sql(where).fetch_arrow_table()
                write_parquet(folder / f"date={night.isoformat()}" / "data.parquet", rows)


def read_mart(lake: Lake, model: str, nights: Sequence[date]) -> list[dict[str, Any]]:
    """Reads the rows of a published mart over some nights."""
    files = [(file, file.stat()) for file in list_mart_files(lake, model, nights)]
    tables = (read_mart_file(file, stat.st_ino, stat.st_mtime_ns) for file, stat in files)
    return [dict(row) for rows in tables for row in rows]


def read_rates_of(
    lake: Lake, nights: Sequence[date], slices: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Reads the rates of some slices over some nights; `all` is that of all traces."""
    files = [(file, file.stat()) for file in list_mart_files(lake, "rpt_rates", nights)]
    tables = (read_rates_file(file, stat.st_ino, stat.st_mtime_ns, slices) for file, stat in files)
    return [dict(row) for rows in tables for row in rows]


@functools.lru_cache(maxsize=2048)
def read_rates_file(
    file: Path, inode: int, changed_ns: int, slices: tuple[str, ...]
) -> tuple[dict[str, Any], ...]:
    """Returns the rows of some slices in a file of rates, cached as in `read_mart_file`."""
    batches = stream_rows(file, row_filter=("slice", slices))
    return tuple(dict(row) for rows in batches for row in rows)


@functools.lru_cache(maxsize=512)
def read_mart_file(file: Path, inode: int, changed_ns: int) -> tuple[dict[str, Any], ...]:
    """Returns a mart's rows, cached: the reports of a range read the same nights repeatedly."""
    return tuple(read_rows(file))


def rebuild_warehouse(lake: Lake) -> Path:
    """Rebuilds `warehouse.duckdb`, views over all tables and marts for people and tools."""
    path = lake.home / "warehouse.duckdb"
    with (
        lake.lock("warehouse"),
        prepare_replacement(path) as temporary,
        open_duckdb(temporary) as db,
    ):
        create_views(db, lake)
    return path


def create_views(db: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Creates a view over each table and mart, except those with a damaged file."""
    import duckdb

    for name, sql in describe_views(lake):
        try:
            db.execute(f"create view {name} as {sql}")
        except duckdb.Error as error:
            line = str(error).partition("\n")[0]
            report(f"warehouse.duckdb has no view {name}, of which a file is damaged: {line}")


def describe_views(lake: Lake) -> Iterator[tuple[str, str]]:
    """Yields the name and the query of each view."""
    for name in ("traces", "requests", "scores", "answers", "verdicts", "quarantine"):
        folder = lake.home / name
        if list(folder.glob("date=*/*.parquet")):
            source = quote_text(str(folder / "date=*" / "*.parquet"))
            source = f"read_parquet({source}, union_by_name=true)"
            yield name, add_missing_columns(name, source)
    for folder in sorted((lake.home / "marts").glob("*")):
        pattern = "date=*/*.parquet" if list(folder.glob("date=*")) else "*.parquet"
        if not list(folder.glob(pattern)):
            continue
        source = quote_text(str(folder / pattern))
        yield folder.name, f"from read_parquet({source}, union_by_name=true)"
