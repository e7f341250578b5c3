"""CSV and Parquet as rows: each a JSON object of its columns, refused singly where it is damaged.

What a column means is the mapping's; a cell of text may hold the JSON of a list or an object.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from evals.traces.files import memory_limit
from evals.traces.files.streams import BROKEN, KEPT, MAX_LINE, Line, name_error, open_with_arrow

PARQUET = b"PAR1"
DELIMITERS = ",;\t|"
BATCH_BYTES = 16 * 2**20
PREFIXED = "DELTA_BYTE_ARRAY"
"""How a column keeps of each text only what differs from the one before."""
TOO_MUCH = "texts that take more than a gigabyte once unpacked; export without DELTA_BYTE_ARRAY"
MAX_HEADER = 64
"""A header's names are shorter than this; prose with commas is none."""


def find_delimiter(head: bytes, filename: str) -> str | None:
    """What parts the columns of a CSV file that begins so; None where it is none."""
    start = head.decode("utf-8-sig", "replace")
    named = any(suffix in filename.lower() for suffix in (".csv", ".tsv"))
    if "\n" not in start and not named:
        return None
    found = [(len(parse_first_row(start, mark)), mark) for mark in DELIMITERS]
    columns, mark = max(found, key=lambda pair: pair[0])
    header = [name.strip() for name in parse_first_row(start, mark)]
    if named:
        return mark
    fits = columns > 2 or "trace_id" in header
    tidy = all(name and len(name) < MAX_HEADER and name[0] not in "{[" for name in header)
    return mark if fits and tidy and len(set(header)) == columns > 1 else None


def parse_first_row(text: str, delimiter: str) -> list[str]:
    """The cells of the first row, or none."""
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def read_csv(stream: io.BufferedIOBase, delimiter: str) -> Iterator[Line]:
    """The rows under a header, counted from 1; an empty cell is null."""
    csv.field_size_limit(MAX_LINE)
    with io.TextIOWrapper(
        cast(IO[bytes], stream), "utf-8-sig", "surrogateescape", newline=""
    ) as text:
        lines = iter(lambda: text.readline(MAX_LINE), "")
        yield from read_under_header(csv.reader(lines, delimiter=delimiter))


def read_under_header(cells: Iterator[list[str]]) -> Iterator[Line]:
    """The rows after the first, which names their columns."""
    header: list[str] | None = None
    number = 0
    while True:
        try:
            row = next(cells, None)
        except csv.Error as error:
            number += 1
            yield Line(number, b"", "bad-csv", str(error))
            continue
        except BROKEN as error:
            yield Line(number + 1, b"", name_error(error), str(error) or "damaged")
            return
        if row is None:
            return
        if header is None:
            header = make_distinct(row)
        elif row:
            number += 1
            yield make_csv_line(number, header, row)


def make_distinct(names: Iterable[str]) -> list[str]:
    """Column names without the spaces around them, the second of two equal ones with a number."""
    found: dict[str, None] = {}
    times: Counter[str] = Counter()
    for name in map(str.strip, names):
        unique = name
        while unique in found:
            times[name] += 1
            unique = f"{name}.{times[name] + 1}"
        found[unique] = None
    return list(found)


def make_csv_line(number: int, header: list[str], row: list[str]) -> Line:
    """A row of cells as a JSON object."""
    value = {name: cell or None for name, cell in zip(header, row, strict=False)}
    if len(row) == len(header):
        return Line(number, write_json(value))
    what = f"{len(row)} cells under a header of {len(header)}"
    return Line(number, write_json(row)[:KEPT], "ragged-row", what)


def write_json(value: Any) -> bytes:
    """A row's JSON; text that is no UTF-8 is given back as the bytes it was."""
    try:
        return orjson.dumps(value, default=convert_value)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, default=convert_value)
        return text.encode("utf-8", "surrogateescape")


def convert_value(value: Any) -> Any:
    """A value of a column type that JSON does not have."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


class Layout(NamedTuple):
    """The columns of a Parquet file and how they are read."""

    names: list[str]
    """The column names, each once."""
    schema: Any
    """The Arrow schema under these names, every text written out."""
    dictionaries: list[str]
    """Columns that are read as dictionaries, since written out they may be large."""
    problem: str = ""
    """Why the file cannot be read; empty where it can."""


def inspect_parquet(path: Path) -> Layout:
    """Reads a file's footer; texts of unknown size are probed in a process of limited memory."""
    import pyarrow

    try:
        with open_parquet(path) as file:
            dictionaries = find_dictionary_columns(file.metadata)
            unbounded = find_unbounded_columns(file.metadata)
            names = make_distinct(file.schema_arrow.names)
            named = zip(file.schema_arrow, names, strict=True)
            schema = pyarrow.schema([field.with_name(name) for field, name in named])
        fits = not unbounded or memory_limit.fits_in_memory(path, unbounded)
    except (pyarrow.ArrowException, OSError) as error:
        return Layout([], None, [], first_sentence(error))
    problem = "" if fits else f"{', '.join(unbounded)}: {TOO_MUCH}"
    return Layout(names, schema, dictionaries, problem)


def read_parquet(path: Path, layout: Layout) -> Iterator[Line]:
    """The rows, counted from 1, a batch of bounded size at a time."""
    import pyarrow

    if layout.problem:
        yield Line(1, b"", "unreadable-file", layout.problem)
        return
    number = 0
    try:
        with open_parquet(path, read_dictionary=layout.dictionaries) as file:
            for group in range(file.num_row_groups):
                size = choose_batch_size(path, file, group)
                for batch in file.iter_batches(size, row_groups=[group], use_threads=False):
                    for row in read_batch(batch.rename_columns(layout.names), layout.schema):
                        number += 1
                        yield row._replace(number=number)
    except (pyarrow.ArrowException, OSError) as error:
        yield Line(number + 1, b"", "unreadable-file", first_sentence(error))


def first_sentence(error: Exception) -> str:
    """The first line of an error's message, cut to a readable length."""
    return str(error).splitlines()[0][:200] if str(error) else "damaged"


def open_parquet(path: Path, **options: Any) -> Any:
    """The file, opened without reading ahead of what is asked for."""
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(open_with_arrow(path), **options)


def choose_batch_size(path: Path, file: Any, group: int) -> int:
    """How many rows of a group make up a batch of about 16 MiB, written out."""
    about = file.metadata.row_group(group)
    rows = min(max(BATCH_BYTES * max(about.num_rows, 1) // max(about.total_byte_size, 1), 1), 4096)
    named = [about.column(n) for n in range(about.num_columns)]
    texts = [
        chunk.path_in_schema
        for chunk in named
        if chunk.has_dictionary_page
        and chunk.physical_type == "BYTE_ARRAY"
        and "." not in chunk.path_in_schema
        and chunk.total_uncompressed_size * rows > BATCH_BYTES
    ]
    prefixed = (
        chunk.total_uncompressed_size  # no text is longer than all that is kept of them
        for chunk in named
        if PREFIXED in chunk.encodings and chunk.total_uncompressed_size * rows > BATCH_BYTES
    )
    return max(
        min(rows, BATCH_BYTES // max(measure_longest_text(path, group, texts) + sum(prefixed), 1)),
        1,
    )


def find_dictionary_columns(about: Any) -> list[str]:
    """The columns of texts within lists or objects that keep a text once and may repeat it.

    They are read as they are kept: what a row takes written out is told before it is.
    """
    groups = [about.row_group(group) for group in range(about.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    found = {
        chunk.path_in_schema: None
        for chunk in chunks
        if chunk.has_dictionary_page
        and PREFIXED not in chunk.encodings  # Arrow reads none of these as they are kept
        and chunk.physical_type == "BYTE_ARRAY"
        and "." in chunk.path_in_schema
        and chunk.total_uncompressed_size * chunk.num_values > BATCH_BYTES
    }
    return list(found)


def find_unbounded_columns(about: Any) -> list[str]:
    """The columns of texts within lists or objects that keep only differences, and may be large.

    No text is longer than all that is kept of them; how long all are is told by none.
    """
    groups = [about.row_group(group) for group in range(about.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    found = {
        chunk.path_in_schema: None
        for chunk in chunks
        if PREFIXED in chunk.encodings
        and "." in chunk.path_in_schema
        and chunk.total_uncompressed_size * chunk.num_values > 4 * BATCH_BYTES
    }
    return list(found)


def measure_longest_text(path: Path, group: int, texts: list[str]) -> int:
    """The bytes of the longest text that some columns keep once and may repeat in every row."""
    import pyarrow.compute as pc

    if not texts:
        return 0
    with open_parquet(path, read_dictionary=texts) as file:
        first = next(file.iter_batches(1, row_groups=[group], columns=texts, use_threads=False))
    lengths = (pc.max(pc.binary_length(column.dictionary)).as_py() for column in first.columns)  # pyright: ignore[reportAttributeAccessIssue]
    return sum(length or 0 for length in lengths)


def read_batch(batch: Any, plain: Any) -> Iterator[Line]:
    """A batch's rows as JSON; one by one where one may be too large, or some cannot be told.

    Args:
        batch: the rows, some texts perhaps as they are kept.
        plain: their schema with each text written out.
    """
    import numpy as np

    sizes = sum(map(measure_cells, batch.columns), np.zeros(batch.num_rows, np.int64))
    if sizes.sum() <= 4 * BATCH_BYTES:
        batch = batch if batch.schema.equals(plain) else batch.cast(plain)
        try:
            values = batch.to_pylist(maps_as_pydicts="lossy")
        except (ValueError, OverflowError):
            values = (read_row(batch, row) for row in range(batch.num_rows))
        yield from map(make_parquet_line, values)
        return
    for row, size in enumerate(sizes):
        if size > MAX_LINE:
            yield Line(0, b"", "line-too-long")
        else:
            yield make_parquet_line(read_row(batch, row))


def measure_cells(array: Any) -> Any:
    """About how many bytes each cell takes when a text that is kept once is written each time."""
    import numpy as np
    import pyarrow.compute as pc
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        sizes = np.append(measure_cells(array.dictionary), 0)
        return sizes[pc.fill_null(array.indices, len(array.dictionary)).to_numpy()]
    if types.is_struct(kind):
        return sum(map(measure_cells, array.flatten()), np.zeros(len(array), np.int64))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        ends = np.append(0, np.cumsum(measure_cells(array.values)))
        return np.diff(ends[array.offsets.to_numpy()])
    if types.is_fixed_size_list(kind):
        held = array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size)
        return measure_cells(held).reshape(len(array), kind.list_size).sum(axis=1)
    if types.is_binary(kind) or types.is_string(kind) or types.is_large_string(kind):
        lengths = pc.binary_length(array)  # pyright: ignore[reportAttributeAccessIssue]
        return pc.fill_null(lengths, 0).to_numpy().astype(np.int64)  # pyright: ignore[reportArgumentType] # a plain number is fine
    return np.full(len(array), 8, np.int64)


def read_row(batch: Any, row: int) -> dict[str, Any]:
    """A row by its cells."""
    return {name: read_cell(batch.column(at)[row]) for at, name in enumerate(batch.schema.names)}


def read_cell(scalar: Any) -> Any:
    """A cell's value: bytes where its text is no UTF-8, text where no type of ours holds it."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes()
    except (ValueError, OverflowError):
        return str(getattr(scalar, "value", scalar.type))


def make_parquet_line(value: dict[str, Any]) -> Line:
    """A row as a JSON object, refused where it is larger than a line may be."""
    raw = write_json(value)
    return Line(0, raw[:KEPT], "line-too-long") if len(raw) > MAX_LINE else Line(0, raw)
