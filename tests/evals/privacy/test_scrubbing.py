"""Words go out of files of any kind, and nothing else does."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from evals.privacy import scrubbing
from evals.storage.files import write_parquet

USER = "ada.lovelace-1815"
TEXT = 'Dear "desk", my kettle of brass is broken & <sad>'
GONE = scrubbing.build_words([USER, "7"], [TEXT])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"by {USER}.", "by [forgotten]."),
        ('{"user": "7", "n": 7, "v": "17"}', '{"user": "[forgotten]", "n": 7, "v": "17"}'),
        ('"{\\"user\\": \\"7\\"}"', '"{\\"user\\": \\"[forgotten]\\"}"'),
        ("<p>my kettle of brass is broken &amp;</p>", "<p>[forgotten] &amp;</p>"),
        ("another kettle of brass", "another kettle of brass"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_words_go_out_of_text_packed_as_it_was(
    tmp_path: Path, before: str, after: str, packed: bool
) -> None:
    """Ids wherever they stand, short ones in quotes alone, texts by the runs all files spell."""
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(before.encode()) if packed else before.encode())
    assert scrubbing.contains_words(path, GONE) is (before != after)
    assert scrubbing.scrub_text(path, GONE) is (before != after)
    assert scrubbing.read_unpacked(path).decode() == after
    assert path.read_bytes().startswith(b"\x1f\x8b") is packed


def test_words_go_out_of_sqlite_and_off_its_freed_pages(tmp_path: Path) -> None:
    """Cells lose them whatever their type, deleted rows leave nothing, other rows are as before."""
    path = tmp_path / "runs.db"
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode = wal")
    db.execute("create table events (id integer primary key, body text, raw blob, n integer)")
    rows = [(f'{{"user": "{USER}", "i": {n}}}', f"{USER} {n}".encode(), n) for n in range(500)]
    db.executemany("insert into events (body, raw, n) values (?, ?, ?)", rows)
    db.execute("insert into events (body, raw, n) values ('others', x'00ff', 1)")
    db.execute("delete from events where n % 2 = 0")
    db.commit()
    db.close()
    assert scrubbing.contains_words(path, GONE)
    assert scrubbing.scrub_sqlite(path, GONE) == 500
    assert not scrubbing.contains_words(path, GONE)
    assert all(USER.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    db = sqlite3.connect(path)
    kinds = db.execute("select distinct typeof(body), typeof(raw) from events").fetchall()
    other = db.execute("select body, raw from events where body = 'others'").fetchall()
    db.close()
    assert kinds == [("text", "blob")]
    assert other == [("others", b"\x00\xff")]


def test_rows_go_out_of_parquet_and_the_schema_stays(tmp_path: Path) -> None:
    """Rows are left out or changed; a file without any is not written again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "data.parquet"
    table = pa.table({"trace_id": ["a", "b", "c"], "n": pa.array([1, 2, 3], pa.int32())})
    write_parquet(path, table.replace_schema_metadata({"about": "it"}))
    before = path.stat().st_ino

    def same(row: dict[str, Any]) -> dict[str, Any]:
        return row

    assert scrubbing.has_any_value(path, {"trace_id": ["b"], "user_id": ["a"]})
    assert not scrubbing.has_any_value(path, {"trace_id": ["z"], "user_id": ["a"]})
    assert scrubbing.scrub_parquet(path, lambda row: row["n"] != 9, same) == 0
    assert path.stat().st_ino == before
    assert scrubbing.scrub_parquet(path, lambda row: row["trace_id"] != "b", same) == 1
    kept = pq.read_table(path)
    assert kept.to_pylist() == [{"trace_id": "a", "n": 1}, {"trace_id": "c", "n": 3}]
    assert kept.schema.equals(table.schema)
    assert kept.schema.metadata[b"about"] == b"it"
