"""Promises of a Parquet file's checksums: no changed bit is read as other data."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.storage.errors import DamagedFileError
from evals.storage.parquet_checksums import LABEL, has_both_ends, verify_content
from evals.storage.parquet_files import (
    read_rows,
    stream_rows,
    verify_file,
    verify_files,
    write_parquet,
)
from evals.storage.queries import open_duckdb
from evals.storage.store import read_file_states

TABLE = pa.table({"app": ["chat", "mail", "chat"], "n": [1, None, 3], "rate": [0.5, 1.0, None]})
ROWS = TABLE.to_pylist()


def check_refused(path: Path) -> None:
    """Asserts that every reader refuses a file by its name."""
    for read in (read_rows, lambda path: list(stream_rows(path, ["n"], ("app", ["chat"])))):
        with pytest.raises(DamagedFileError, match=re.escape(str(path))):
            read(path)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """In the footer by each reader; elsewhere at the latest where DuckDB is about to read."""
    path, damaged = tmp_path / "whole.parquet", tmp_path / "damaged.parquet"
    write_parquet(path, TABLE)
    assert (has_both_ends(path), verify_content(path), read_rows(path)) == (True, True, ROWS)
    data = path.read_bytes()
    footer = data.index(LABEL) + len(LABEL) + 4
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        damaged.write_bytes(changed)
        if place >= footer:
            check_refused(damaged)
        elif not footer - 4 - len(LABEL) <= place < footer - 4:  # a label that is no label
            assert verify_content(damaged) is False, place
        else:
            assert read_rows(damaged) == ROWS


def test_duckdb_reads_a_file_with_checksums(tmp_path: Path) -> None:
    """They are in a gap, which the format allows."""
    write_parquet(tmp_path / "a.parquet", TABLE)
    with open_duckdb() as db:
        read = db.read_parquet(str(tmp_path / "a.parquet")).to_arrow_table()
    assert read.to_pylist() == ROWS


def test_a_file_of_an_older_version_is_verified_page_by_page(tmp_path: Path) -> None:
    """It has checksums of its pages alone, and stays valid."""
    path = tmp_path / "old.parquet"
    pq.write_table(TABLE, path, write_page_checksum=True, compression="none")
    assert (has_both_ends(path), verify_content(path), read_rows(path)) == (True, None, ROWS)
    verify_files([path])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"mail", b"nail", 1))
    (state,) = read_file_states([path])
    with pytest.raises(DamagedFileError, match=r"old\.parquet is damaged"):
        verify_file(path, state)
