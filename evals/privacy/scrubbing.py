"""Words taken out of files of any kind: text, gzip, zstd, Parquet and SQLite.

Whose words they are, and which files are looked into, is `forget`'s to say.
"""

from __future__ import annotations

import contextlib
import gzip
import html
import io
import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evals.records import Json
from evals.storage.files import replace, write_parquet
from evals.storage.lake import LakeError
from evals.traces.files.streams import GZIP, ZSTD, open_zstd

PARQUET = b"PAR1"
SQLITE = b"SQLite format 3\0"
PLAIN_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,:;@+/=-]{14,}[A-Za-z0-9]")
"""Characters that every kind of file spells alike: they are found through any escaping."""
PIECE = 65536
"""Bytes of a packed file that are read at once."""
SHORT_ID = 8
"""An id of fewer characters may be anybody's word: it goes only where it stands in quotes."""


class Words(NamedTuple):
    """What has to go, as it is spelled in files, and what stands there instead."""

    spelled: tuple[bytes, ...]
    mark: str

    def find_in(self, data: bytes) -> list[bytes]:
        """The words that stand in some bytes."""
        return [word for word in self.spelled if word in data]

    def replace_in(self, data: bytes) -> bytes:
        """The bytes with a mark in the place of every word."""
        mark = self.mark.encode()
        for word in self.find_in(data):
            quoted = word[:1] in b'"\\' and word[-1:] == b'"'
            data = data.replace(word, quote_mark(word, mark) if quoted else mark)
        return data

    def replace_in_text(self, text: str) -> str:
        """The same for a text."""
        raw = text.encode("utf-8", "surrogatepass")
        return self.replace_in(raw).decode("utf-8", "surrogatepass") if self.find_in(raw) else text


def quote_mark(word: bytes, mark: bytes) -> bytes:
    """The mark in the quotes of a quoted word."""
    quote = b'\\"' if word.startswith(b"\\") else b'"'
    return quote + mark + quote


def build_words(ids: Iterable[str], texts: Iterable[str] = (), mark: str = "[forgotten]") -> Words:
    """The words of some ids, and of the plain runs of some texts; the longest first."""
    found: set[str] = set()
    for one in filter(None, ids):
        found |= list_spellings(one) if len(one) >= SHORT_ID else {f'"{one}"', f'\\"{one}\\"'}
    for text in texts:
        found.update(PLAIN_RUN.findall(text))
    spelled = sorted(
        (w.encode("utf-8", "surrogatepass") for w in found), key=lambda w: (-len(w), w)
    )
    return Words(tuple(spelled), mark)


def list_spellings(text: str) -> set[str]:
    """A text as JSON, JSON within JSON and HTML spell it."""
    once = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return {text, html.escape(text), *once, *(json.dumps(one)[1:-1] for one in once)}


def list_strings(value: Json) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from list_strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_strings(item)


def read_unpacked(path: Path) -> bytes:
    """A file's bytes, gzip and zstd opened."""
    data = path.read_bytes()
    if data.startswith(GZIP):
        return b"".join(read_pieces(gzip.GzipFile(fileobj=io.BytesIO(data)).read1))
    if data.startswith(ZSTD):
        with open_zstd(path) as stream:
            return b"".join(read_pieces(stream.read))
    return data


def read_pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What a packed stream holds, as far as it can be read: its writer may have been killed."""
    with contextlib.suppress(OSError, EOFError, zlib.error):
        while piece := read(PIECE):
            yield piece


def contains_words(path: Path, gone: Words) -> bool:
    """Whether any of the words stands in a file, however it is packed."""
    with path.open("rb") as file:
        head = file.read(16)
    if head == SQLITE:
        return any(gone.find_in(cell) for cell in read_sqlite_cells(path))
    if head.startswith(PARQUET):
        return any(gone.find_in(cell) for cell in read_parquet_cells(path))
    return bool(gone.find_in(read_unpacked(path)))


def scrub_text(path: Path, gone: Words) -> bool:
    """Takes the words out of a text file, packed as it was; whether there were any."""
    data = read_unpacked(path)
    if not gone.find_in(data):
        return False
    cleaned = gone.replace_in(data)
    if path.read_bytes().startswith(GZIP):
        cleaned = gzip.compress(cleaned, mtime=0)
    replace(path, cleaned)
    return True


Keep = Callable[[dict[str, Any]], bool]
Change = Callable[[dict[str, Any]], dict[str, Any]]


def scrub_parquet(path: Path, keep: Keep, change: Change) -> int:
    """Leaves out rows and changes others; how many were touched, and nothing is written if none."""
    import pyarrow as pa

    table = read_table(path)
    rows = table.to_pylist()
    kept = [(row, change(row)) for row in rows if keep(row)]
    touched = len(rows) - len(kept) + sum(before != after for before, after in kept)
    if touched:
        write_parquet(path, pa.Table.from_pylist([row for _, row in kept], schema=table.schema))
    return touched


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """A Parquet file's table, or some columns of it."""
    import pyarrow.parquet as pq

    with name_damaged_file(path), path.open("rb") as file:
        return pq.read_table(file, columns=columns, use_threads=False, pre_buffer=False)  # pyright: ignore[reportArgumentType] # any sequence is fine


@contextlib.contextmanager
def name_damaged_file(path: Path) -> Iterator[None]:
    """Says which file it was where Arrow cannot read one.

    Raises:
        LakeError: it cannot.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        what = f"{path}: expected a Parquet file, found a damaged one ({type(error).__name__})"
        raise LakeError(f"{what}; put back a copy or delete it, then run it again") from error


def read_parquet_cells(path: Path) -> Iterator[bytes]:
    """The texts and bytes of a Parquet file, a column's all in one piece: nothing is copied out."""
    import pyarrow as pa

    for column in read_table(path).columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            for chunk in column.chunks:
                data = chunk.buffers()[2]
                yield data.to_pybytes() if data else b""


def has_any_value(path: Path, wanted: Mapping[str, Iterable[str]]) -> bool:
    """Whether a Parquet file has, in any of the columns named, one of the values wanted there."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    pc: Any = pyarrow.compute
    with name_damaged_file(path):
        known = set(pq.read_schema(path).names)
    named = [name for name in wanted if name in known]
    table = read_table(path, named) if named else None
    sets = {name: pa.array(list(wanted[name]), pa.string()) for name in named}
    return any(pc.any(pc.is_in(table[name], sets[name])).as_py() for name in named if table)


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file whose freed pages are overwritten, and whose log is folded in at the end."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        db.execute("pragma secure_delete = on")
        yield db
        db.execute("pragma wal_checkpoint(truncate)")
    finally:
        db.close()


def list_columns(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every column of every table, with both names quoted."""
    sql = """select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c
             where t.type = 'table' and t.name not like 'sqlite_%'"""
    yield from ((f'"{table}"', f'"{column}"') for table, column in db.execute(sql).fetchall())


def read_cells(db: sqlite3.Connection, table: str, column: str) -> Iterator[tuple[int, str, bytes]]:
    """Row, type and bytes of every text and blob of a column."""
    of = f"select rowid, typeof({column}), cast({column} as blob) from {table}"  # noqa: S608  its own names
    yield from db.execute(f"{of} where typeof({column}) in ('text', 'blob')")


def read_sqlite_cells(path: Path) -> Iterator[bytes]:
    """Every text and every blob of a SQLite file."""
    with open_database(path) as db:
        for table, column in list_columns(db):
            yield from (value for _, _, value in read_cells(db, table, column))


def scrub_sqlite(path: Path, gone: Words) -> int:
    """Takes the words out of every cell and off the freed pages; how many cells had any."""
    touched = 0
    with open_database(path) as db:
        for table, column in list_columns(db):
            of = f"update {table} set {column} = cast(? as {{kind}}) where rowid = ?"  # noqa: S608  its own names
            found = [cell for cell in read_cells(db, table, column) if gone.find_in(cell[2])]
            for rowid, kind, value in found:
                db.execute(of.format(kind=kind), (gone.replace_in(value), rowid))
            touched += len(found)
        # One that was killed before its vacuum left no such cell, but perhaps a page.
        if touched or gone.find_in(path.read_bytes()):
            db.execute("vacuum")
    return touched
