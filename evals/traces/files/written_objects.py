"""Reads files of objects that people write, gold sets and labels: JSON lines, a list, or CSV.

Counts the lines of the file itself, as an editor does. What an object means is decided elsewhere;
trace exports are read in `reader`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from evals.records import Json
from evals.traces.files import containers, streams, tables
from evals.traces.files.encodings import TextEncoding
from evals.traces.files.strict_json import Refused, parse_line

TABLES = (".csv", ".tsv")
REASONS = {
    "not-utf8": "the text is not UTF-8; save the file as UTF-8",
    "ragged-row": "; quote cells that contain the separator, a quote or a line break",
}
"""What to do, where a reader of traces would name a mapping or nothing."""


class WrittenObject(NamedTuple):
    """One object of a file, or why it cannot be read."""

    line: int
    """The line on which it begins, from 1; of a JSON list its number. 0: the whole file."""
    value: dict[str, Json] | None
    """None where it cannot be read."""
    problem: str = ""
    is_row: bool = False
    """Whether it is a row of a table, whose cells are texts, null where they are empty."""


def read_objects(path: Path) -> Iterator[WrittenObject]:
    """Yields the objects of a file in order, gzipped or not; its name decides what it is.

    Yields one that cannot be read at line 0 where the file is damaged.
    """
    container = inspect_written(path)
    if container.kind == "unreadable":
        yield WrittenObject(0, None, f"it cannot be opened ({container.problem})")
        return
    is_table = container.kind in ("csv", "parquet")
    for line in read_rows(path, container):
        yield read_object(line, is_table)


def inspect_written(path: Path) -> containers.Container:
    """Recognises the container of a file; a name that ends as a table's makes it a table."""
    container = containers.inspect_file(path)
    if container.kind != "lines" or not is_named_table(path):
        return container
    delimiter = tables.find_delimiter(container.head, path.name) or ","
    encoding = container.encoding or TextEncoding()
    return container._replace(kind="csv", delimiter=delimiter, encoding=encoding)


def is_named_table(path: Path) -> bool:
    """Whether a file's name is that of a table."""
    return any(suffix in path.name.lower() for suffix in TABLES)


def read_rows(path: Path, container: containers.Container) -> Iterator[streams.Line]:
    """Yields the rows of a file, those of CSV with the line on which each begins."""
    if container.kind != "csv":
        yield from containers.read_rows(path, container)
        return
    with containers.open_text(path, container) as stream:
        yield from tables.read_csv(stream, container.delimiter, counts_lines=True)


def read_object(line: streams.Line, is_row: bool) -> WrittenObject:
    """Reads the object of one row."""
    if line.code:
        problem = f"{line.problem or line.code}{REASONS.get(line.code, '')}"
        return WrittenObject(line.number, None, problem, is_row)
    try:
        value = parse_line(line.raw.removeprefix(streams.BOM))
    except Refused as error:
        return WrittenObject(line.number, None, REASONS.get(error.code, error.reason), is_row)
    return WrittenObject(line.number, value, is_row=is_row)
