"""Reads trace files of any format as canonical traces, streamed; the content decides the format.

A file's rows are what its format counts: lines, or traces where one is spread over many lines.
Each becomes exactly one Trace or one Refusal. Labels come beside them and are no rows.

Fetching files, checking a night and storing rows do not belong here.
"""

from __future__ import annotations

import dataclasses
import itertools
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
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.formats import (
    azure_logs,
    bedrock,
    braintrust,
    grouped_rows,
    helicone,
    json_lines,
    langfuse,
    langsmith,
    litellm,
    mlflow,
    openai_agents,
    openai_logs,
    opik,
    otlp,
    phoenix,
    plain_rows,
    vertex,
    weave,
)
from evals.traces.formats.json_lines import parse_object
from evals.traces.rows import mapping
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.columns import Columns
from evals.traces.rows.missing_columns import MissingColumnsError
from evals.traces.rows.numbers import Mark, find_decimal_comma

__all__ = [
    "FORMATS",
    "Columns",
    "Importer",
    "ImporterOutput",
    "MissingColumnsError",
    "Reading",
    "is_plain",
    "is_shareable",
    "read_batches",
    "read_file",
    "read_objects",
    "read_rows",
    "recognise_format",
]


class Importer(Protocol):
    """A format: a module, or an object, of these names."""

    @property
    def NAME(self) -> str:
        """The format's name, as traces hold it in `source_format`."""
        ...

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether a file is of this format.

        Args:
            head: The beginning of its rows as JSON, possibly cut; of a table one row a line.
            filename: Its name.
        """
        ...

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
        """Yields traces, and the labels beside them, in order, in bounded memory.

        Args:
            rows: The JSON of each line, element of a document, or row of a table.
            reading: How the file is read.
        """
        ...


FORMATS: tuple[Importer, ...] = (
    otlp,
    langfuse,
    langsmith,
    bedrock,
    azure_logs,
    vertex,
    helicone,
    litellm,
    mlflow,
    opik,
    weave,
    braintrust,
    openai_agents,
    openai_logs,
    phoenix.SDK,
    phoenix.PHOENIX,
)
"""The formats of products, tried in this order: the most specific first."""
PLAIN: Mapping[str, Importer] = {
    "lines": json_lines,
    "document": plain_rows.DOCUMENT,
    "csv": plain_rows.CSV,
    "parquet": plain_rows.PARQUET,
}
"""The format of canonical rows, by the kind of container."""
SHARED: tuple[Importer, ...] = (otlp, langfuse)
"""Formats whose files several readers can share, each taking some of the trace ids."""


def is_shareable(container: Container, filename: str) -> bool:
    """Whether several processes can read a file, each a share of its traces."""
    return recognise_format(container, filename) in SHARED


def is_plain(container: Container, filename: str) -> bool:
    """Whether a file's rows have canonical or mapped names, and no product's format."""
    form = recognise_format(container, filename)
    return form is not None and form not in FORMATS


def recognise_format(container: Container, filename: str) -> Importer | None:
    """Finds the first format that recognises the content; None where none does."""
    if container.kind == "unreadable":
        return None
    forms = (*FORMATS, PLAIN[container.kind])
    return next((form for form in forms if form.sniff(container.head, filename)), None)


def read_file(
    path: Path,
    *,
    mappings: Mapping[str, specs.Mapping],
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
    name: str | None = None,
    day_begins: int = 0,
    app: str | None = None,
) -> Iterator[ImporterOutput]:
    """Yields the rows of a file one by one: plain, gzip or zstd.

    Args:
        path: The file; traces record its name alone.
        mappings: The catalog's mappings, by name. A single one is applied to every row; of
            several, the one with most of its columns in the row.
        assume_date: The night of rows without a timestamp.
        spread: The first and last night over which rows without a timestamp are spread.
        name: The mapping to use for every row, instead of the best.
        day_begins: The hour of UTC at which a night begins.
        app: The application of rows that name none.

    Raises:
        LookupError: No mapping is called `name`.
        ValueError: Both `assume_date` and `spread` are given, or the spread ends before it begins.
    """
    plans = mapping.make_plans(mappings, name)
    file = make_name_readable(path.name)
    reading = Reading(file, plans, assume_date, spread, day_begins, path=path, app=app)
    check_dates(reading)
    return read_rows(path, reading, inspect_file(path, mapping.list_encodings(plans)))


def read_batches(
    path: Path, reading: Reading, container: Container | None = None
) -> Iterator[Columns | ImporterOutput]:
    """Yields the same rows as `read_file`, in columns where the format supports them.

    The order of the rows may differ.

    Args:
        path: The file.
        reading: How its rows are read.
        container: The file's container, if the caller inspected it already.

    Raises:
        ValueError: Both `assume_date` and `spread` are given, or the spread ends before it begins.
    """
    check_dates(reading)
    container = container or inspect_file(path, mapping.list_encodings(reading.plans))
    form = recognise_format(container, path.name)
    if form is json_lines and not has_groups(reading) and not makes_ids(reading):
        reading = dataclasses.replace(reading, decimal=find_decimal(container))
        return read_columns(path, reading, container)
    return read_rows(path, reading, container, form)


def check_dates(reading: Reading) -> None:
    """Checks the options for rows without a timestamp.

    Raises:
        ValueError: Both `assume_date` and `spread` are given, or the spread ends before it begins.
    """
    spread = reading.spread
    if reading.assume_date and spread:
        raise ValueError("--assume-date and a spread over days exclude each other; give one")
    if spread and spread[1] < spread[0]:
        raise ValueError(f"the spread ends ({spread[1]}) before it begins ({spread[0]})")


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Yields the number and object of each non-blank line of a JSONL file.

    The object is None where the line is not valid JSON of an object.

    Raises:
        OSError: The file cannot be opened.
    """
    with open_unpacked(path) as stream:
        for line in read_lines(stream):
            raw = line.raw.removeprefix(BOM) if line.number == 1 else line.raw
            try:
                yield line.number, None if line.code else parse_line(raw)
            except Refused:
                yield line.number, None


def read_columns(
    path: Path, reading: Reading, container: Container
) -> Iterator[Columns | ImporterOutput]:
    """Yields the rows of a file of plain JSON lines, those of one shape together in columns."""
    try:
        with containers.open_text(path, container) as stream:
            yield from json_lines.read_batches(read_blocks(stream), reading)
    except BROKEN as error:
        yield from refuse_unopened(reading, error)


def read_rows(
    path: Path, reading: Reading, container: Container, form: Importer | None = None
) -> Iterator[ImporterOutput]:
    """Yields the rows of a file; one refusal at line 0 where no format recognises it.

    Args:
        path: The file.
        reading: How its rows are read.
        container: The file's container.
        form: The file's format, if the caller recognised it already.
    """
    form = form or recognise_format(container, path.name)
    if form is None:
        if reading.share.reports_row(0):
            yield from refuse_file(container, reading)
        return
    if form in FORMATS and container.encoding and not container.encoding.is_whole:
        container = container._replace(encoding=None)  # products write UTF-8
    is_table, decimal = container.kind in ("csv", "parquet"), find_decimal(container)
    reading = dataclasses.replace(reading, table=is_table, decimal=decimal)
    rows = containers.read_rows(path, container)
    try:
        if form not in FORMATS and has_groups(reading):
            yield from grouped_rows.read(rows, reading, form.NAME)
        else:
            yield from form.read(rows, reading)
    except BROKEN as error:
        yield from refuse_unopened(reading, error)


def has_groups(reading: Reading) -> bool:
    """Whether rows of a mapping are spans of a trace."""
    return any(plan.group_by for plan in reading.plans)


def makes_ids(reading: Reading) -> bool:
    """Whether rows of a mapping get ids made of their content."""
    return any(plan.makes_ids for plan in reading.plans)


def find_decimal(container: Container) -> Mark | None:
    """Finds whether the numbers among a file's first rows have decimal commas."""
    rows = itertools.islice(map(parse_object, container.head.split(b"\n")), SAMPLED_ROWS)
    return find_decimal_comma(cell for row in rows if row for cell in row.values())


SAMPLED_ROWS = 20


def refuse_file(container: Container, reading: Reading) -> Iterator[Refusal]:
    """Yields the refusal of a file that no format recognises; nothing for an empty file."""
    if container.kind == "unreadable" and container.problem:
        yield from refuse_unopened(reading, container.problem)
    elif container.problem:
        problem = f"The file is damaged ({describe_error(container.problem)})"
        yield make_refusal(reading, problem, container.head)
    elif container.head.strip():
        names = ", ".join(form.NAME for form in (*FORMATS, *PLAIN.values()))
        yield make_refusal(reading, f"The file is of no known format ({names})", container.head)


def refuse_unopened(reading: Reading, error: Exception) -> Iterator[Refusal]:
    """Yields the refusal of a file that cannot be opened, from one of several readers."""
    if reading.share.reports_row(0):
        yield make_refusal(reading, f"The file cannot be opened ({describe_error(error)})", b"")


def describe_error(error: Exception) -> str:
    """Returns the system's message without the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "damaged"


def make_refusal(reading: Reading, problem: str, head: bytes) -> Refusal:
    """Makes the refusal of a whole file."""
    reason = f"{problem}; export it again, or take it out of the inbox."
    return Refusal(reading.source_file, 0, "unreadable-file", reason, head)
