"""Plain JSON: one object a line, under canonical names, synonyms or a catalog's mapping.

The shapes of other systems have modules of their own.
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
from evals.traces.rows.canonical import Found, Reading
from evals.traces.rows.shapes import Columns, Misfits, Shape, find_shape, read_columns

NAME = "jsonl"
sniff = is_json_lines
MAX_SHAPES = 256
"""Rows with keys beyond these many sets of them are read one by one."""


def read(rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
    """One trace or one refusal for every line that is not blank."""
    for line in rows:
        yield canonical.read_row(line, reading, NAME)


def read_batches(blocks: Iterable[Block | Line], reading: Reading) -> Iterator[Columns | Found]:
    """The same rows as `read`, plain ones by the column: for whoever wants them fast."""
    known: dict[tuple[str, ...], Shape | None] = {}
    for block in blocks:
        if isinstance(block, Line):
            yield canonical.read_row(block, reading, NAME)
        else:
            yield from read_batch(block, reading, known)


def read_batch(
    block: Block, reading: Reading, known: dict[tuple[str, ...], Shape | None]
) -> Iterator[Columns | Found]:
    """A block's rows, those of one shape together; `known` remembers the shapes."""
    number, text, lines = block
    rows = Rows(number, lines, parse_objects(lines), count_keys(text, lines))
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows.objects):
        groups.setdefault(tuple(row) if row else (), []).append(place)
    for names, places in groups.items():
        if names not in known:
            known[names] = find_shape(names, reading) if names and len(known) < MAX_SHAPES else None
        yield from read_group(known[names], places, rows, reading)


class Rows(NamedTuple):
    """The lines of a block with what was parsed."""

    first: int
    """The first line's number."""
    lines: Sequence[bytes]
    objects: Sequence[dict[str, Json] | None]
    keys: Sequence[int]
    """How many keys each line holds."""

    def read_alone(self, place: int, reading: Reading) -> Iterator[Found]:
        """One line read by itself; nothing where it is blank."""
        raw = self.lines[place]
        if raw and not raw.isspace():
            yield canonical.read_row(Line(self.first + place, raw), reading, NAME)


def read_group(
    shape: Shape | None, places: Sequence[int], rows: Rows, reading: Reading
) -> Iterator[Columns | Found]:
    """Rows of one shape as columns, those that are cases of their own one by one."""
    apart: set[int] = set()
    if shape is None:
        apart.update(range(len(places)))
    else:
        objects = [row for place in places if (row := rows.objects[place])]
        try:
            found = read_columns(shape, objects, [rows.keys[place] for place in places])
            found.cells["source_line"] = [rows.first + place for place in places]
            yield found
        except Misfits as problem:
            apart = problem.rows
    for place in sorted(apart):
        yield from rows.read_alone(places[place], reading)
    rest = [place for n, place in enumerate(places) if n not in apart]
    if apart and rest:
        yield from read_group(shape, rest, rows, reading)


def parse_objects(lines: Sequence[bytes]) -> list[dict[str, Json] | None]:
    """Each line's object."""
    try:
        found = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return list(map(parse_object, lines))
    return found if {dict}.issuperset(map(type, found)) else list(map(parse_object, lines))


def parse_object(raw: bytes) -> dict[str, Json] | None:
    """A line's object; None where it is none, or where reading it takes more than this."""
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if type(value) is dict else None
