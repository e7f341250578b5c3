"""Trace files to canonical traces: one module a format, found by content, streamed.

Where files come from, what a valid night is and where rows rest are told elsewhere.

A file's rows are what its format counts: lines, or traces where one is spread over many lines.
Each becomes exactly one Trace or one Refusal. Labels found beside them are no rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Protocol

from evals import specs
from evals.readable import make_name_readable
from evals.records import Json, Refusal
from evals.traces.files import containers
from evals.traces.files.containers import Container, inspect_file
from evals.traces.files.streams import BOM, BROKEN, Line, open_unpacked, read_blocks, read_lines
from evals.traces.files.strict_json import Refused, parse
from evals.traces.formats import (
    json_lines,
    langfuse,
    langsmith,
    openai_logs,
    otlp,
    phoenix,
    plain_rows,
)
from evals.traces.rows import mapping
from evals.traces.rows.canonical import Found, Reading
from evals.traces.rows.shapes import Columns

__all__ = [
    "FORMATS",
    "Columns",
    "Found",
    "Importer",
    "Reading",
    "is_shareable",
    "read",
    "read_batches",
    "read_objects",
    "read_rows",
    "recognise_format",
]


class Importer(Protocol):
    """What a format's module offers."""

    @property
    def NAME(self) -> str:
        """The word for it, as traces carry it in `source_format`."""
        ...

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether a file whose rows begin with `head` is of this format.

        `head` is JSON, possibly cut: of a table the first rows, one a line.
        """
        ...

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
        """Traces, and the scores and feedback beside them, in order, in bounded memory.

        A row is the JSON of one line, element of a document, or row of a table.
        """
        ...


FORMATS: tuple[Importer, ...] = (
    otlp,
    langfuse,
    langsmith,
    openai_logs,
    phoenix.SDK,
    phoenix.PHOENIX,
)
"""The products', asked in this order; the most particular first."""
PLAIN: Mapping[str, Importer] = {
    "lines": json_lines,
    "document": plain_rows.DOCUMENT,
    "csv": plain_rows.CSV,
    "parquet": plain_rows.PARQUET,
}
"""What reads canonical rows, by what a file is packed as."""


SHARED: tuple[Importer, ...] = (otlp, langfuse)
"""Formats of which a reader may make some traces alone, by their ids."""


def is_shareable(container: Container, filename: str) -> bool:
    """Whether several processes may read a file, each its share of the traces."""
    return recognise_format(container, filename) in SHARED


def recognise_format(container: Container, filename: str) -> Importer | None:
    """The first format that knows the content as its own; None where none does."""
    if container.kind == "unreadable":
        return None
    forms = (*FORMATS, PLAIN[container.kind])
    return next((form for form in forms if form.sniff(container.head, filename)), None)


def read(
    path: Path,
    *,
    mappings: Mapping[str, specs.Mapping],
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    name: str | None = None,
    day_begins: int = 0,
    app: str | None = None,
) -> Iterator[Found]:
    """The rows of a file one by one: plain, gzip or zstd.

    Args:
        path: The file; only its name is kept in what is read.
        mappings: The catalog's, by name. The only one is applied to every row; of several, the
            one that finds most of its columns.
        assume_date: The night of rows without a timestamp.
        spread: First and last night over which rows without a timestamp are laid.
        name: The mapping to use, whatever fits.
        day_begins: The hour of UTC at which a night begins.
        app: The application of rows that name none.

    Raises:
        LookupError: there is no mapping called `name`.
        ValueError: `assume_date` and `spread` together, or a spread that ends before it begins.
    """
    plans = mapping.make_plans(mappings, name)
    file = make_name_readable(path.name)
    reading = Reading(file, plans, assume_date, spread, day_begins, path=path, app=app)
    check_dates(reading)
    return read_rows(path, reading, inspect_file(path))


def read_batches(
    path: Path, reading: Reading, container: Container | None = None
) -> Iterator[Columns | Found]:
    """The same rows as `read`, in columns where the format can; their order may differ.

    Args:
        path: The file.
        reading: How its rows are understood.
        container: What an inspection found of it; inspected here where it is None.

    Raises:
        ValueError: `assume_date` and `spread` together, or a spread that ends before it begins.
    """
    check_dates(reading)
    container = container or inspect_file(path)
    form = recognise_format(container, path.name)
    if form is json_lines:
        return read_columns(path, reading)
    return read_rows(path, reading, container, form)


def check_dates(reading: Reading) -> None:
    """Checks that the dates for rows without a timestamp go together.

    Raises:
        ValueError: `assume_date` and `spread` together, or a spread that ends before it begins.
    """
    spread = reading.spread
    if reading.assume_date and spread:
        raise ValueError("--assume-date and a spread over days exclude each other; give one")
    if spread and spread[1] < spread[0]:
        raise ValueError(f"the spread ends ({spread[1]}) before it begins ({spread[0]})")


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Line number and object of every non-blank line of a JSONL file; None where it is none.

    Raises:
        OSError: the file cannot be opened.
    """
    with open_unpacked(path) as stream:
        for line in read_lines(stream):
            raw = line.raw.removeprefix(BOM) if line.number == 1 else line.raw
            try:
                yield line.number, None if line.code else parse(raw).row
            except Refused:
                yield line.number, None


def read_columns(path: Path, reading: Reading) -> Iterator[Columns | Found]:
    """The rows of a file of plain JSON lines, those of one shape together in columns."""
    try:
        with open_unpacked(path) as stream:
            yield from json_lines.read_batches(read_blocks(stream), reading)
    except BROKEN as error:
        yield from refuse_unopened(reading, error)


def read_rows(
    path: Path, reading: Reading, container: Container, form: Importer | None = None
) -> Iterator[Found]:
    """What a format makes of the file, row by row; one refusal at line 0 where none can.

    Args:
        path: The file.
        reading: How its rows are understood.
        container: What an inspection found of it.
        form: Its format, where the caller has recognised it already.
    """
    form = form or recognise_format(container, path.name)
    if form is None:
        if reading.share.reports_row(0):
            yield from refuse_file(container, reading)
        return
    reading = dataclasses.replace(reading, table=container.kind in ("csv", "parquet"))
    try:
        yield from form.read(containers.read_rows(path, container), reading)
    except BROKEN as error:
        yield from refuse_unopened(reading, error)


def refuse_file(container: Container, reading: Reading) -> Iterator[Refusal]:
    """The refusal of a file that no format knows; none where it is empty."""
    if container.kind == "unreadable" and container.problem:
        yield from refuse_unopened(reading, container.problem)
    elif container.problem:
        what = f"The file is damaged ({describe_error(container.problem)})"
        yield make_refusal(reading, what, container.head)
    elif container.head.strip():
        known = ", ".join(form.NAME for form in (*FORMATS, *PLAIN.values()))
        yield make_refusal(reading, f"The file is of no known format ({known})", container.head)


def refuse_unopened(reading: Reading, error: Exception) -> Iterator[Refusal]:
    """The refusal of a file that cannot be opened; one of several readers gives it."""
    if reading.share.reports_row(0):
        yield make_refusal(reading, f"The file cannot be opened ({describe_error(error)})", b"")


def describe_error(error: Exception) -> str:
    """The system's message, without the path it is about."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "damaged"


def make_refusal(reading: Reading, what: str, head: bytes) -> Refusal:
    """The refusal of a whole file."""
    reason = f"{what}; export it again, or take it out of the inbox."
    return Refusal(reading.source_file, 0, "unreadable-file", reason, head)
