"""Recognises what a file contains (lines, a JSON document, CSV or Parquet) and reads its rows.

Rows are JSON. Each format decides what they mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from evals.traces.files import documents, tables
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


def inspect_file(path: Path) -> Container:
    """Recognises a file's container by its name and first bytes."""
    try:
        start, problem = read_head(path)
    except BROKEN as error:
        return Container("unreadable", b"", error)
    if start.startswith(tables.PARQUET):
        layout = tables.inspect_parquet(path)
        return Container("parquet", sample_rows(tables.read_parquet(path, layout)), layout=layout)
    if documents.is_document(start, path.name):
        return Container("document", start, problem)
    delimiter = None
    if not is_json_lines(start, path.name) and start.lstrip()[:1] not in (b"{", b"["):
        delimiter = tables.find_delimiter(start, path.name)
    if delimiter is None:
        return Container("lines", start, problem)
    head = sample_rows(tables.read_csv(BytesIO(start), delimiter))
    return Container("csv", head, problem, delimiter)


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
    with open_unpacked(path) as stream:
        if container.kind == "csv":
            yield from tables.read_csv(stream, container.delimiter)
        elif container.kind == "document":
            yield from documents.read_documents(stream)
        else:
            yield from read_lines(stream)


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
