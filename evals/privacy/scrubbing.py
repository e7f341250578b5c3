"""Removes words from files of any kind: text, gzip, zstd, Parquet and SQLite.

Which words to remove, and from which files, is `erasure`'s.
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
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.records import JsonLike
from evals.storage.checksums import renew_checksum
from evals.storage.errors import DamagedFileError
from evals.storage.files import replace
from evals.storage.lake import LakeError
from evals.storage.parquet_files import require_both_ends, write_parquet
from evals.traces.files.streams import GZIP, ZSTD, open_zstd

if TYPE_CHECKING:
    import pyarrow

PARQUET = b"PAR1"
SQLITE = b"SQLite format 3\0"
PLAIN_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,:;@+/=-]{14,}[A-Za-z0-9]")
"""Runs of characters that no kind of file escapes."""
PIECE = 65536
"""Bytes read at once from a compressed file."""
SHORT_ID = 8
"""An id of fewer characters may be an ordinary word: it is removed only in quotes."""


class Words(NamedTuple):
    """The words to remove from files, and the mark that replaces them."""

    spellings: tuple[bytes, ...]
    """Every form in which the words may be written."""
    mark: str

    def find_in(self, data: bytes) -> list[bytes]:
        """Returns the words that occur in some bytes."""
        return [word for word in self.spellings if word in data]

    def replace_in(self, data: bytes) -> bytes:
        """Replaces every word in some bytes with the mark."""
        mark = self.mark.encode()
        for word in self.find_in(data):
            quoted = word[:1] in b'"\\' and word[-1:] == b'"'
            data = data.replace(word, quote_mark(word, mark) if quoted else mark)
        return data

    def replace_in_text(self, text: str) -> str:
        """Replaces every word in a text with the mark."""
        raw = text.encode("utf-8", "surrogatepass")
        return self.replace_in(raw).decode("utf-8", "surrogatepass") if self.find_in(raw) else text


def quote_mark(word: bytes, mark: bytes) -> bytes:
    """Returns the mark in the same quotes as a quoted word."""
    quote = b'\\"' if word.startswith(b"\\") else b'"'
    return quote + mark + quote


def build_words(ids: Iterable[str], texts: Iterable[str] = (), mark: str = "[forgotten]") -> Words:
    """Builds the words of some ids and of the unescaped runs of some texts, the longest first."""
    words: set[str] = set()
    for name in filter(None, ids):
        words |= list_spellings(name) if len(name) >= SHORT_ID else {f'"{name}"', f'\\"{name}\\"'}
    for text in texts:
        words.update(PLAIN_RUN.findall(text))
    encoded = (word.encode("utf-8", "surrogatepass") for word in words)
    return Words(tuple(sorted(encoded, key=lambda word: (-len(word), word))), mark)


def list_spellings(text: str) -> set[str]:
    """Returns a text as written in JSON, in JSON within JSON and in HTML."""
    once = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return {text, html.escape(text), *once, *(json.dumps(text)[1:-1] for text in once)}


def list_strings(value: JsonLike) -> Iterator[str]:
    """Yields every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from list_strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from list_strings(item)


def read_unpacked(path: Path) -> bytes:
    """Returns a file's bytes, decompressed if it is gzip or zstd."""
    data = path.read_bytes()
    if data.startswith(GZIP):
        return b"".join(read_pieces(gzip.GzipFile(fileobj=io.BytesIO(data)).read1))
    if data.startswith(ZSTD):
        with open_zstd(path) as stream:
            return b"".join(read_pieces(stream.read))
    return data


def read_pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yields a compressed stream's content as far as it goes: its writer may have been killed."""
    with contextlib.suppress(OSError, EOFError, zlib.error):
        while piece := read(PIECE):
            yield piece


def contains_words(path: Path, words: Words) -> bool:
    """Whether any of the words occurs in a file, whatever its compression."""
    with path.open("rb") as file:
        head = file.read(16)
    if head == SQLITE:
        return any(words.find_in(cell) for cell in read_sqlite_cells(path))
    if head.startswith(PARQUET):
        return any(words.find_in(cell) for cell in read_parquet_cells(path))
    return bool(words.find_in(read_unpacked(path)))


def scrub_text(path: Path, words: Words) -> bool:
    """Removes the words from a text file, keeping its compression; returns whether it had any.

    A document's checksum is made anew.
    """
    data = read_unpacked(path)
    if not words.find_in(data):
        return False
    scrubbed = renew_checksum(data, words.replace_in(data))
    if path.read_bytes().startswith(GZIP):
        scrubbed = gzip.compress(scrubbed, mtime=0)
    replace(path, scrubbed)
    return True


Row = dict[str, object]
"""A row of any Parquet file."""


def scrub_parquet(path: Path, keep: Callable[[Row], bool], change: Callable[[Row], Row]) -> int:
    """Removes and changes rows of a file, written only if any changed; returns how many did."""
    import pyarrow as pa

    table = read_table(path)
    rows = table.to_pylist()
    remaining = [(row, change(row)) for row in rows if keep(row)]
    touched = len(rows) - len(remaining) + sum(before != after for before, after in remaining)
    if touched:
        changed = [row for _, row in remaining]
        write_parquet(path, pa.Table.from_pylist(changed, schema=table.schema))
    return touched


def read_table(path: Path, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """Reads a Parquet file, or some of its columns."""
    import pyarrow.parquet as pq

    with name_damaged_file(path), path.open("rb") as file:
        require_both_ends(path)
        return pq.read_table(  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
            file,
            columns=None if columns is None else list(columns),
            use_threads=False,
            pre_buffer=False,
            page_checksum_verification=True,
        )


@contextlib.contextmanager
def name_damaged_file(path: Path) -> Generator[None]:
    """Names the file in the error when Arrow cannot read it.

    Raises:
        LakeError: the file is damaged.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, OSError, DamagedFileError) as error:
        message = f"{path}: expected a Parquet file, found a damaged one ({type(error).__name__})"
        raise LakeError(f"{message}; put back a copy or delete it, then run it again") from error


def read_parquet_cells(path: Path) -> Iterator[bytes]:
    """Yields the text and binary columns of a Parquet file, each chunk as one piece."""
    import pyarrow as pa

    for column in read_table(path).columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            for chunk in column.chunks:
                data = chunk.buffers()[2]
                yield data.to_pybytes() if data else b""


def has_any_value(path: Path, wanted: Mapping[str, Iterable[str]]) -> bool:
    """Whether a Parquet file has one of the wanted values in the column they are wanted in."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with name_damaged_file(path):
        require_both_ends(path)
        columns = set(pq.read_schema(path).names)  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
    named = [name for name in wanted if name in columns]
    table = read_table(path, named) if named else None
    sets = {name: pa.array(list(wanted[name]), pa.string()) for name in named}
    return any(
        pc.any(pc.is_in(table[name], sets[name])).as_py()  # pyright: ignore[reportUnknownMemberType]  # a stub's gap
        for name in named
        if table
    )


@contextlib.contextmanager
def open_database(path: Path) -> Generator[sqlite3.Connection]:
    """Opens a SQLite file so that freed pages are overwritten; merges its log on leaving."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        db.execute("pragma secure_delete = on")
        yield db
        db.execute("pragma wal_checkpoint(truncate)")
    finally:
        db.close()


def list_columns(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yields the quoted names of every table and column."""
    sql = """select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c
             where t.type = 'table' and t.name not like 'sqlite_%'"""
    yield from ((f'"{table}"', f'"{column}"') for table, column in db.execute(sql).fetchall())


def read_cells(db: sqlite3.Connection, table: str, column: str) -> Iterator[tuple[int, str, bytes]]:
    """Yields row id, type and bytes of every text and blob of a column."""
    of = f"select rowid, typeof({column}), cast({column} as blob) from {table}"  # noqa: S608  its own names
    yield from db.execute(f"{of} where typeof({column}) in ('text', 'blob')")


def read_sqlite_cells(path: Path) -> Iterator[bytes]:
    """Yields every text and blob of a SQLite file."""
    with open_database(path) as db:
        for table, column in list_columns(db):
            yield from (value for _, _, value in read_cells(db, table, column))


def scrub_sqlite(path: Path, words: Words) -> int:
    """Removes the words from every cell and freed page; returns how many cells had any."""
    touched = 0
    with open_database(path) as db:
        for table, column in list_columns(db):
            of = f"update {table} set {column} = cast(? as {{kind}}) where rowid = ?"  # noqa: S608  its own names
            cells = [cell for cell in read_cells(db, table, column) if words.find_in(cell[2])]
            for rowid, kind, value in cells:
                db.execute(of.format(kind=kind), (words.replace_in(value), rowid))
            touched += len(cells)
        # A run killed before its vacuum may have left such a page without such a cell.
        if touched or words.find_in(path.read_bytes()):
            db.execute("vacuum")
    return touched
