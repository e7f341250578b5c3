"""Rows that could not be read as a trace and have no night yet, by inbox file.

Refused rows of a known night are in the table `quarantine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.records import Refusal
from evals.storage.damage import detect_damage
from evals.storage.lake import Lake
from evals.storage.parquet_files import (
    read_records,
    require_both_ends,
    verify_files,
    write_parquet,
)
from evals.storage.queries import open_duckdb, quote_text
from evals.storage.record_tables import to_table

FOLDER = "quarantine/files"


def locate_refused(lake: Lake, sha: str) -> Path:
    """Returns the path of a file's refused rows."""
    return lake.store.path(f"{FOLDER}/{sha}.parquet")


def list_refused_files(lake: Lake) -> list[str]:
    """Lists the hash prefixes of the files that have refused rows."""
    return lake.store.list_stems(FOLDER, ".parquet")


def read_refused(lake: Lake, sha: str) -> list[Refusal]:
    """Reads the refused rows of a file; none if all its rows were read."""
    path = locate_refused(lake, sha)
    return read_records(Refusal, path) if path.exists() else []


def write_refused(lake: Lake, sha: str, rows: Sequence[Refusal]) -> None:
    """Replaces the refused rows of a file."""
    write_parquet(locate_refused(lake, sha), to_table(Refusal, rows))


def count_unplaced(lake: Lake, sha: str) -> int:
    """Counts the refused rows of a file that lack an application or a date."""
    import pyarrow.parquet as pq

    path = locate_refused(lake, sha)
    if not path.exists():
        return 0
    require_both_ends(path)
    with detect_damage(path):
        rows = pq.read_table(  # pyright: ignore[reportUnknownMemberType] # a bare `list` in its stubs
            path, columns=["app", "date"], page_checksum_verification=True
        )
    unplaced = rows["app"].is_null().to_numpy() | rows["date"].is_null().to_numpy()
    return int(unplaced.sum())


def list_refused_tables(lake: Lake) -> Iterator[Path]:
    """Yields every file with the bytes of refused rows, by night or by inbox file, sorted."""
    yield from sorted(lake.store.path("quarantine").rglob("*.parquet"))


class RefusedGroup(NamedTuple):
    """Refused rows of one file, application and night with one reason code."""

    file_sha: str
    """The beginning of the file's hash."""
    source_file: str
    code: str
    app: str | None
    night: date | None
    rows: int
    line: int
    """Of the first of them."""
    reason: str
    """Of the first of them."""


GROUPS_SQL = """
    select coalesce(nullif(file_sha, ''), {sha}) as file_sha, source_file, code, app,
        date as night, count(*) as rows, min(source_line) as line,
        arg_min(reason, source_line) as reason
    from read_parquet([{files}], union_by_name=true, filename=true, hive_partitioning=false)
    group by all order by rows desc, source_file, code, line, app, night
"""


def group_refused(lake: Lake) -> list[RefusedGroup]:
    """Counts all refused rows without reading their bytes, the most frequent first."""
    files = list(list_refused_tables(lake))
    if not files:
        return []
    sha = "parse_filename(filename, true)"
    verify_files(files)
    listed = ", ".join(quote_text(str(file)) for file in files)
    with open_duckdb() as db:
        rows = db.sql(GROUPS_SQL.format(sha=sha, files=listed)).fetchall()
    return [RefusedGroup(*row) for row in rows]
