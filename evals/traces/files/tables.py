"""Reads CSV and Parquet as rows, each a JSON object of its columns; a damaged row is one refusal.

`rows` decides what a column means; a text cell may contain the JSON of a list or an object.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from evals.traces.files import memory_limit
from evals.traces.files.streams import (
    BROKEN,
    MAX_LINE,
    MAX_STORED,
    Line,
    name_error,
    open_with_arrow,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray
    from pyarrow import parquet

PARQUET = b"PAR1"
DELIMITERS = ",;\t|"
DECLARED = re.compile(rf"sep=([{DELIMITERS}])\r?(?:\n|$)", re.IGNORECASE)
"""A first line that names the delimiter, as spreadsheets write and read it."""
BATCH_BYTES = 16 * 2**20
PREFIXED = "DELTA_BYTE_ARRAY"
"""The encoding that stores of each text only its difference from the one before."""
TOO_LARGE = "texts above a gigabyte once unpacked; export without DELTA_BYTE_ARRAY"
MAX_HEADER = 64
"""Column names are shorter than this, unlike prose with commas."""


def find_delimiter(head: bytes, filename: str) -> str | None:
    """Returns the delimiter of a CSV file that begins with `head`; None where it is no CSV."""
    start = head.decode("utf-8-sig", "replace")
    if named := DECLARED.match(start):
        return named[1]
    is_named_csv = any(suffix in filename.lower() for suffix in (".csv", ".tsv"))
    if "\n" not in start and not is_named_csv:
        return None
    delimiter = max(DELIMITERS, key=lambda mark: len(parse_first_row(start, mark)))
    header = [name.strip() for name in parse_first_row(start, delimiter)]
    if is_named_csv:
        return delimiter
    has_columns = len(header) > 2 or "trace_id" in header
    are_names = all(name and len(name) < MAX_HEADER and name[0] not in "{[" for name in header)
    is_distinct = len(set(header)) == len(header) > 1
    return delimiter if has_columns and are_names and is_distinct else None


def parse_first_row(text: str, delimiter: str) -> list[str]:
    """Parses the cells of the first row; none where it is damaged."""
    try:
        return next(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True), list[str]())
    except csv.Error:
        return []


def read_csv(
    stream: io.BufferedIOBase, delimiter: str, *, counts_lines: bool = False
) -> Iterator[Line]:
    """Yields the rows under a header, counted from 1; an empty cell is null.

    Args:
        stream: the text as UTF-8.
        delimiter: what separates cells.
        counts_lines: whether a row has the number of the line on which it begins.
    """
    csv.field_size_limit(MAX_LINE)
    with io.TextIOWrapper(
        cast(IO[bytes], stream), "utf-8-sig", "surrogateescape", newline=""
    ) as text:
        lines = iter(lambda: text.readline(MAX_LINE), "")
        yield from read_under_header(CountedLines(lines), delimiter, counts_lines)


class CountedLines:
    """The lines of a table without a first one that names the delimiter; counts all of them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.count = lines, 0

    def __iter__(self) -> Iterator[str]:
        """Yields the lines."""
        for line in self.lines:
            self.count += 1
            if self.count > 1 or not DECLARED.fullmatch(line):
                yield line


def read_under_header(lines: CountedLines, delimiter: str, counts_lines: bool) -> Iterator[Line]:
    """Yields the rows after the first, which has the column names."""
    cells = csv.reader(lines, delimiter=delimiter)
    header: list[str] | None = None
    number = 0
    while True:
        begin = lines.count + 1 if counts_lines else number + 1
        try:
            row = next(cells, None)
        except csv.Error as error:
            number += 1
            yield Line(begin, b"", "bad-csv", str(error))
            continue
        except BROKEN as error:
            yield Line(begin, b"", name_error(error), str(error) or "damaged")
            return
        if row is None:
            return
        if header is None:
            header = make_distinct(row)
        elif row:
            number += 1
            yield make_csv_line(begin, header, row)


def make_distinct(names: Iterable[str]) -> list[str]:
    """Strips column names, and adds a number to the second of two equal ones."""
    distinct: dict[str, None] = {}
    times: Counter[str] = Counter()
    for name in map(str.strip, names):
        unique = name
        while unique in distinct:
            times[name] += 1
            unique = f"{name}.{times[name] + 1}"
        distinct[unique] = None
    return list(distinct)


def make_csv_line(number: int, header: list[str], row: list[str]) -> Line:
    """Makes the JSON object of a row of cells."""
    value = {name: cell or None for name, cell in zip(header, row, strict=False)}
    if len(row) == len(header):
        return Line(number, write_json(value))
    what = f"{len(row)} cells under a header of {len(header)}"
    return Line(number, write_json(row)[:MAX_STORED], "ragged-row", what)


def write_json(value: object) -> bytes:
    """Writes a row as JSON; text that is no UTF-8 keeps its bytes."""
    try:
        return orjson.dumps(value, default=convert_value)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, default=convert_value)
        return text.encode("utf-8", "surrogateescape")


def convert_value(value: object) -> float | str:
    """Converts a value of a column type that JSON does not have."""
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
    """The column names, made distinct."""
    schema: pyarrow.Schema | None
    """The Arrow schema under these names, without dictionaries; None for an unreadable file."""
    dictionaries: list[str]
    """Columns that are read as dictionaries, since their plain texts may be large."""
    problem: str = ""
    """Why the file cannot be read; empty where it can."""


def inspect_parquet(path: Path) -> Layout:
    """Reads a file's footer, and tries to read texts of unknown size in limited memory."""
    import pyarrow

    try:
        with open_parquet(path) as file:
            dictionaries = find_dictionary_columns(file.metadata)
            unbounded = find_unbounded_columns(file.metadata)
            fields: Any = file.schema_arrow  # typed as fields of unknown types
            names = make_distinct(fields.names)
            pairs = zip(fields, names, strict=True)
            schema = pyarrow.schema([field.with_name(name) for field, name in pairs])
        fits = not unbounded or memory_limit.fits_in_memory(path, unbounded)
    except (pyarrow.ArrowException, OSError) as error:
        return Layout([], None, [], first_sentence(error))
    problem = "" if fits else f"{', '.join(unbounded)}: {TOO_LARGE}"
    return Layout(names, schema, dictionaries, problem)


def read_parquet(path: Path, layout: Layout) -> Iterator[Line]:
    """Yields the rows, counted from 1, read in batches of bounded size."""
    import pyarrow

    if layout.schema is None or layout.problem:
        yield Line(1, b"", "unreadable-file", layout.problem)
        return
    number = 0
    try:
        with open_parquet(path, read_dictionary=layout.dictionaries) as file:
            for group in range(file.num_row_groups):
                size = choose_batch_size(path, file, group)
                for batch in iterate_batches(file, group, size):
                    for row in read_batch(batch.rename_columns(layout.names), layout.schema):
                        number += 1
                        yield row._replace(number=number)
    except (pyarrow.ArrowException, OSError) as error:
        yield Line(number + 1, b"", "unreadable-file", first_sentence(error))


def first_sentence(error: Exception) -> str:
    """Returns the first line of an error's message, cut to a readable length."""
    return str(error).splitlines()[0][:200] if str(error) else "damaged"


def open_parquet(path: Path, read_dictionary: list[str] | None = None) -> parquet.ParquetFile:
    """Opens a file, some columns as dictionaries; reads no more of it than is requested."""
    from pyarrow import parquet

    return parquet.ParquetFile(open_with_arrow(path), read_dictionary=read_dictionary)


def iterate_batches(
    file: parquet.ParquetFile, group: int, size: int, columns: list[str] | None = None
) -> Iterator[pyarrow.RecordBatch]:
    """Yields the rows of a group in batches of `size`; all columns where none are named."""
    yield from file.iter_batches(  # pyright: ignore[reportUnknownMemberType] # lists of no type
        size, row_groups=[group], columns=columns, use_threads=False
    )


def choose_batch_size(path: Path, file: parquet.ParquetFile, group: int) -> int:
    """Returns how many rows of a group take about 16 MiB without dictionaries."""
    about = file.metadata.row_group(group)
    rows = min(max(BATCH_BYTES * max(about.num_rows, 1) // max(about.total_byte_size, 1), 1), 4096)
    chunks = [about.column(n) for n in range(about.num_columns)]
    texts = [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.has_dictionary_page
        and chunk.physical_type == "BYTE_ARRAY"
        and "." not in chunk.path_in_schema
        and chunk.total_uncompressed_size * rows > BATCH_BYTES
    ]
    prefixed = (
        chunk.total_uncompressed_size  # no text is longer than the whole column
        for chunk in chunks
        if PREFIXED in chunk.encodings and chunk.total_uncompressed_size * rows > BATCH_BYTES
    )
    longest = measure_longest_text(path, group, texts) + sum(prefixed)
    return max(min(rows, BATCH_BYTES // max(longest, 1)), 1)


def find_dictionary_columns(about: parquet.FileMetaData) -> list[str]:
    """Lists the large columns of texts within lists or objects that are stored as dictionaries.

    They are read as dictionaries, so that a row's size is known before its texts are repeated.
    """
    groups = [about.row_group(group) for group in range(about.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    large = {
        chunk.path_in_schema: None
        for chunk in chunks
        if chunk.has_dictionary_page
        and PREFIXED not in chunk.encodings  # Arrow reads none of these as dictionaries
        and chunk.physical_type == "BYTE_ARRAY"
        and "." in chunk.path_in_schema
        and chunk.total_uncompressed_size * chunk.num_values > BATCH_BYTES
    }
    return list(large)


def find_unbounded_columns(about: parquet.FileMetaData) -> list[str]:
    """Lists the large columns of texts within lists or objects that are stored as differences.

    The metadata bounds the length of one such text, and not of all together.
    """
    groups = [about.row_group(group) for group in range(about.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    large = {
        chunk.path_in_schema: None
        for chunk in chunks
        if PREFIXED in chunk.encodings
        and "." in chunk.path_in_schema
        and chunk.total_uncompressed_size * chunk.num_values > 4 * BATCH_BYTES
    }
    return list(large)


def measure_longest_text(path: Path, group: int, texts: list[str]) -> int:
    """Returns the bytes of the longest texts in the dictionaries of some columns, one of each."""
    import pyarrow.compute as pc

    if not texts:
        return 0
    with open_parquet(path, read_dictionary=texts) as file:
        first: Any = next(iterate_batches(file, group, 1, texts))
    compute: Any = pc
    lengths = (
        compute.max(compute.binary_length(column.dictionary)).as_py() for column in first.columns
    )
    return sum(length or 0 for length in lengths)


def read_batch(batch: pyarrow.RecordBatch, plain: pyarrow.Schema) -> Iterator[Line]:
    """Yields a batch's rows as JSON; one by one where one may be too large or cannot be converted.

    Args:
        batch: the rows, some columns perhaps as dictionaries.
        plain: their schema without dictionaries.
    """
    import numpy as np

    columns: list[Any] = cast("Any", batch).columns
    sizes = sum(map(measure_cells, columns), np.zeros(batch.num_rows, np.int64))
    if sizes.sum() <= 4 * BATCH_BYTES:
        batch = batch if batch.schema.equals(plain) else batch.cast(plain)
        values: Iterable[Mapping[str, object]]
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


def measure_cells(array: Any) -> NDArray[np.int64]:
    """Estimates the bytes of each cell without dictionaries."""
    import numpy as np
    import pyarrow.compute as pc
    from pyarrow import types

    kind, compute = array.type, cast("Any", pc)  # typed for arrays of one kind
    if types.is_dictionary(kind):
        sizes = np.append(measure_cells(array.dictionary), 0)
        return sizes[compute.fill_null(array.indices, len(array.dictionary)).to_numpy()]
    if types.is_struct(kind):
        return sum(map(measure_cells, array.flatten()), np.zeros(len(array), np.int64))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        ends = np.append(0, np.cumsum(measure_cells(array.values)))
        return np.diff(ends[array.offsets.to_numpy()])
    if types.is_fixed_size_list(kind):
        cells = array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size)
        return measure_cells(cells).reshape(len(array), kind.list_size).sum(axis=1)
    if types.is_binary(kind) or types.is_string(kind) or types.is_large_string(kind):
        return compute.fill_null(compute.binary_length(array), 0).to_numpy().astype(np.int64)
    return np.full(len(array), 8, np.int64)


def read_row(batch: pyarrow.RecordBatch, row: int) -> dict[str, object]:
    """Reads a row cell by cell."""
    columns: list[Any] = cast("Any", batch).columns
    names = batch.schema.names
    return {name: read_cell(column[row]) for name, column in zip(names, columns, strict=True)}


def read_cell(scalar: Any) -> object:
    """Reads a cell: bytes where its text is no UTF-8, text where Python has no such type."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes()
    except (ValueError, OverflowError):
        return str(getattr(scalar, "value", scalar.type))


def make_parquet_line(value: Mapping[str, object]) -> Line:
    """Makes the JSON object of a row; a refusal where it is larger than a line may be."""
    raw = write_json(value)
    return Line(0, raw[:MAX_STORED], "line-too-long") if len(raw) > MAX_LINE else Line(0, raw)
