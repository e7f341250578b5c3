"""Erased words are removed from files of any kind, and nothing else is."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.privacy import scrubbing
from evals.records import Json
from evals.storage.checksums import format_document, format_rows, read_lines, verify_checksum
from evals.storage.parquet_files import write_parquet

USER = "ada.lovelace-1815"
TEXT = 'Dear "desk", my kettle of brass is broken & <sad>'
WORDS = scrubbing.build_words([USER, "7"], [TEXT])


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
def test_words_are_removed_from_text_whose_compression_stays(
    tmp_path: Path, before: str, after: str, packed: bool
) -> None:
    """Ids anywhere, short ones in quotes only, texts by their unescaped runs."""
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(before.encode()) if packed else before.encode())
    assert scrubbing.contains_words(path, WORDS) is (before != after)
    assert scrubbing.scrub_text(path, WORDS) is (before != after)
    assert scrubbing.read_unpacked(path).decode() == after
    assert path.read_bytes().startswith(b"\x1f\x8b") is packed


@pytest.mark.parametrize("form", [format_document, lambda value: format_rows([value])])
def test_a_scrubbed_document_has_its_own_checksum(
    form: Callable[[Json], bytes], tmp_path: Path
) -> None:
    """Its checksum is that of what is left; a damaged document stays damaged."""
    path = tmp_path / "document"
    whole = form({"by": WORDS.spellings[0].decode(), "n": 1})
    for data, is_whole in ((whole, True), (whole.replace(b"1", b"2", 1), False)):
        path.write_bytes(data)
        assert scrubbing.scrub_text(path, WORDS)
        read = json.loads if form is format_document else read_lines
        with contextlib.nullcontext() if is_whole else pytest.raises(ValueError, match="checksum"):
            verify_checksum(read(path.read_bytes()))


def test_words_are_removed_from_sqlite_and_its_freed_pages(tmp_path: Path) -> None:
    """Text and binary cells lose them, deleted rows leave nothing, other rows stay."""
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
    assert scrubbing.contains_words(path, WORDS)
    assert scrubbing.scrub_sqlite(path, WORDS) == 500
    assert not scrubbing.contains_words(path, WORDS)
    assert all(USER.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    db = sqlite3.connect(path)
    kinds = db.execute("select distinct typeof(body), typeof(raw) from events").fetchall()
    other = db.execute("select body, raw from events where body = 'others'").fetchall()
    db.close()
    assert kinds == [("text", "blob")]
    assert other == [("others", b"\x00\xff")]


def test_rows_are_removed_from_parquet_and_the_schema_stays(tmp_path: Path) -> None:
    """Rows are removed or changed; a file without such rows is not written again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "data.parquet"
    table = pa.table({"trace_id": ["a", "b", "c"], "n": pa.array([1, 2, 3], pa.int32())})
    write_parquet(path, table.replace_schema_metadata({"about": "it"}))
    before = path.stat().st_ino

    def keep_row(row: scrubbing.Row) -> scrubbing.Row:
        return row

    assert scrubbing.has_any_value(path, {"trace_id": ["b"], "user_id": ["a"]})
    assert not scrubbing.has_any_value(path, {"trace_id": ["z"], "user_id": ["a"]})
    assert scrubbing.scrub_parquet(path, lambda row: row["n"] != 9, keep_row) == 0
    assert path.stat().st_ino == before
    assert scrubbing.scrub_parquet(path, lambda row: row["trace_id"] != "b", keep_row) == 1
    scrubbed = pq.read_table(path)
    assert scrubbed.to_pylist() == [{"trace_id": "a", "n": 1}, {"trace_id": "c", "n": 3}]
    assert scrubbed.schema.equals(table.schema)
    assert scrubbed.schema.metadata[b"about"] == b"it"


def test_the_texts_within_a_traces_tuples_are_listed() -> None:
    """A trace's steps, tags and feedback are tuples, of objects that hold lists."""
    steps = ({"kind": "tool", "output": ["four", {"five": 6}]}, "seven")
    assert list(scrubbing.list_strings(steps)) == [
        "kind", "tool", "output", "four", "five", "seven",
    ]  # fmt: skip
