"""Plain JSON: one object a line, under canonical names, synonyms or a catalog's mapping.

The formats of other systems have modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import orjson

from evals.records import Json
from evals.traces.files.containers import is_json_lines
from evals.traces.files.streams import Block, Line
from evals.traces.files.strict_json import count_keys
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.columns import Columns, Misfits, read_columns
from evals.traces.rows.shapes import Shape, find_shape

NAME = "jsonl"
sniff = is_json_lines
MAX_SHAPES = 256
"""How many sets of keys have their shape cached; rows with further sets are read one by one."""


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields one trace or one refusal for every line that is not blank."""
    for line in rows:
        yield from canonical.read_row(line, reading, NAME)


def read_batches(
    blocks: Iterable[Block | Line], reading: Reading
) -> Iterator[Columns | ImporterOutput]:
    """Yields the same rows as `read`, plain ones as columns, which is faster."""
    cache: dict[tuple[str, ...], Shape | None] = {}
    for block in blocks:
        if isinstance(block, Line):
            yield from canonical.read_row(block, reading, NAME)
        else:
            yield from read_batch(block, reading, cache)


def read_batch(
    block: Block, reading: Reading, cache: dict[tuple[str, ...], Shape | None]
) -> Iterator[Columns | ImporterOutput]:
    """Reads a block's rows, grouped by shape; `cache` has the known shapes."""
    number, text, lines = block
    rows = Rows(number, lines, parse_objects(lines), count_keys(text, lines))
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows.objects):
        groups.setdefault(tuple(row) if row else (), []).append(place)
    for names, places in groups.items():
        if names not in cache:
            cache[names] = find_shape(names, reading) if names and len(cache) < MAX_SHAPES else None
        yield from read_group(cache[names], places, rows, reading)


class Rows(NamedTuple):
    """The lines of a block and their parsed objects."""

    first: int
    """The first line's number."""
    lines: Sequence[bytes]
    objects: Sequence[dict[str, Json] | None]
    keys: Sequence[int]
    """How many keys each line has."""

    def read_line(self, place: int, reading: Reading) -> Iterator[ImporterOutput]:
        """Reads one line by itself; yields nothing if it is blank."""
        raw = self.lines[place]
        if raw and not raw.isspace():
            yield from canonical.read_row(Line(self.first + place, raw), reading, NAME)


def read_group(
    shape: Shape | None, places: Sequence[int], rows: Rows, reading: Reading
) -> Iterator[Columns | ImporterOutput]:
    """Yields the rows of one shape as columns, and those that do not fit one by one."""
    misfits: set[int] = set()
    if shape is None:
        misfits.update(range(len(places)))
    else:
        objects = [row for place in places if (row := rows.objects[place])]
        try:
            columns = read_columns(shape, objects, [rows.keys[place] for place in places])
            columns.cells["source_line"] = [rows.first + place for place in places]
            reading.notes.add_mapped(shape.mapping, columns.size, shape.found)
            yield columns
        except Misfits as problem:
            misfits = problem.rows
    for place in sorted(misfits):
        yield from rows.read_line(places[place], reading)
    rest = [place for n, place in enumerate(places) if n not in misfits]
    if misfits and rest:
        yield from read_group(shape, rest, rows, reading)


def parse_objects(lines: Sequence[bytes]) -> list[dict[str, Json] | None]:
    """Parses the object of each line."""
    try:
        objects = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return list(map(parse_object, lines))
    return objects if {dict}.issuperset(map(type, objects)) else list(map(parse_object, lines))


def parse_object(raw: bytes) -> dict[str, Json] | None:
    """Parses the object of a line; None if it is none, or if orjson cannot parse it."""
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if type(value) is dict else None
