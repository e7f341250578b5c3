"""Recognises what a file contains (lines, a JSON document, CSV or Parquet) and reads its rows.

Rows are JSON. Each format decides what they mean.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from evals.traces.files import documents, tables
from evals.traces.files.encodings import (
    DeclaredEncoding,
    DecodedStream,
    TextEncoding,
    inspect_encoding,
)
from evals.traces.files.streams import BOM, BROKEN, Line, open_unpacked, read_head, read_lines

Kind = Literal["lines", "document", "csv", "parquet", "unreadable"]
JSON_LINES = (".jsonl", ".ndjson")
SAMPLE = 20
"""How many rows of a table are sampled to recognise its format."""


class Container(NamedTuple):
    """What an inspection finds in a file; it is passed on, so that no file is inspected twice."""

    kind: Kind
    head: bytes
    """The first rows: of a table as JSON lines, else the first bytes unpacked."""
    problem: Exception | None = None
    """The error that stopped reading, where the file is damaged or cannot be opened."""
    delimiter: str = ","
    layout: tables.Layout | None = None
    """The columns of a Parquet file and how they are read."""
    encoding: TextEncoding | None = None
    """How its text is decoded; None: it is UTF-8, or read as such."""

    @property
    def encoding_name(self) -> str:
        """The encoding as far as the file was read; empty for UTF-8."""
        return self.encoding.name if self.encoding else ""


def inspect_file(path: Path, declared: Sequence[DeclaredEncoding] = ()) -> Container:
    """Recognises a file's container by its name and first bytes.

    Args:
        path: the file.
        declared: the encodings that the catalog's mappings declare.
    """
    try:
        start, problem = read_head(path)
    except BROKEN as error:
        return Container("unreadable", b"", error)
    if start.startswith(tables.PARQUET):
        layout = tables.inspect_parquet(path)
        return Container("parquet", sample_rows(tables.read_parquet(path, layout)), layout=layout)
    encoding = inspect_encoding(start, declared, may_find=False)
    if encoding:
        start = DecodedStream(BytesIO(start), dataclasses.replace(encoding)).read()
    container = inspect_text(path, start, problem, declared)
    return container._replace(encoding=encoding) if encoding else container


def inspect_text(
    path: Path, start: bytes, problem: Exception | None, declared: Sequence[DeclaredEncoding]
) -> Container:
    """Recognises the container of a text by its name and first bytes, decoded."""
    if documents.is_document(start, path.name):
        return Container("document", start, problem)
    delimiter = None
    if not is_json_lines(start, path.name) and start.lstrip()[:1] not in (b"{", b"["):
        delimiter = tables.find_delimiter(start, path.name)
    if delimiter is None:
        return Container("lines", start, problem)
    encoding = inspect_encoding(start, declared, may_find=True) or TextEncoding()
    stream = DecodedStream(BytesIO(start), dataclasses.replace(encoding))
    head = sample_rows(tables.read_csv(stream, delimiter))
    return Container("csv", head, problem, delimiter, encoding=encoding)


def sample_rows(rows: Iterator[Line]) -> bytes:
    """Joins the first whole rows, one a line."""
    return b"\n".join(line.raw for line in itertools.islice(rows, SAMPLE) if not line.code)


def read_rows(path: Path, container: Container) -> Iterator[Line]:
    """Yields the file's rows: lines, elements, or rows under a header.

    Raises:
        OSError: the file cannot be opened.
    """
    if container.layout:
        yield from tables.read_parquet(path, container.layout)
        return
    with open_text(path, container) as stream:
        if container.kind == "csv":
            yield from tables.read_csv(stream, container.delimiter)
        elif container.kind == "document":
            yield from documents.read_documents(stream)
        else:
            yield from read_lines(stream)


def open_text(path: Path, container: Container) -> io.BufferedIOBase:
    """Opens a file's content as a binary stream of UTF-8.

    Raises:
        OSError: the file cannot be opened.
    """
    stream = open_unpacked(path)
    return DecodedStream(stream, container.encoding) if container.encoding else stream


def is_json_lines(head: bytes, filename: str) -> bool:
    """Returns whether a file is JSONL: by its name, or by a line that is an object."""
    if any(suffix in filename.lower() for suffix in JSON_LINES):
        return True
    *whole, last = head.removeprefix(BOM).split(b"\n")
    if not whole:
        return last.lstrip().startswith(b"{")
    return any(is_json_object(line) for line in (*whole, last))


def is_json_object(line: bytes) -> bool:
    """Returns whether a line is a JSON object."""
    try:
        return line.lstrip().startswith(b"{") and type(orjson.loads(line)) is dict
    except orjson.JSONDecodeError:
        return False
