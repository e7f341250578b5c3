"""Rows of one shape read column by column: plain rows need no record of their own.

A row that is not plain in some way is left to the format, which reads it by itself. Both ways
give the same cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from evals.records import Json
from evals.traces.files.strict_json import EXACT_FLOAT, MAX_DEPTH, Refused, survey_value
from evals.traces.rows import mapping, timestamps
from evals.traces.rows.canonical import Reading, infer_missing, merge_metadata
from evals.traces.rows.fields import APP, BLANK, CONTROL, CONVERT, MAX_ID, MUTABLE
from evals.traces.rows.mapping import SYNONYMS

Row = dict[str, Json]
LISTS = ("messages", "steps", "feedback", "tags")
NESTED = (*LISTS, *MUTABLE)
PROSE = ("input", "output", "context")
COUNTS, MEASURES = ("tokens_in", "tokens_out"), ("latency_ms", "cost_usd")
NOTHING = type(None)
TYPES: dict[str, frozenset[type]] = {
    **dict.fromkeys(CONVERT, frozenset((str, int, NOTHING))),
    **dict.fromkeys(PROSE, frozenset((str, NOTHING))),
    **dict.fromkeys(COUNTS, frozenset((int, NOTHING))),
    **dict.fromkeys(MEASURES, frozenset((int, float, NOTHING))),
    **dict.fromkeys(LISTS, frozenset((list, NOTHING))),
    **dict.fromkeys(MUTABLE, frozenset((dict, NOTHING))),
    **dict.fromkeys(("trace_id", "app", "ts"), frozenset((str,))),
}
"""Cells that are read by the column; a cell of another type makes its row a case of its own."""
DEFAULTS: dict[str, Any] = {
    **BLANK,
    **dict.fromkeys(MUTABLE, "{}"),
    **dict.fromkeys(LISTS, "[]"),
}
"""What a field holds that a row does not name, as the lake keeps it."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = (
    (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    for year in (timestamps.YEARS[0], timestamps.YEARS[-1] + 1)
)
SHORTEST = len("2026-10-01T12:00:00Z")


class Columns(NamedTuple):
    """Some rows of a file as the lake keeps them, nested values as JSON text."""

    size: int
    cells: dict[str, list[Any]]
    """A list of `size` cells a field; a field that is not there has its default in every row.

    `ts` is in microseconds since 1970.
    """


class Shape(NamedTuple):
    """What rows with the same keys have in common."""

    fields: dict[str, str]
    """Canonical field to the row's key."""
    loose: tuple[str, ...]
    """Keys that go to metadata."""
    contested: tuple[str, ...]
    """Fields that have a synonym beside them, read where the field is null."""
    constants: dict[str, str]
    ts_format: str | None
    nested: bool
    """Whether a field holds lists or objects."""


def find_shape(keys: tuple[str, ...], reading: Reading) -> Shape | None:
    """How rows with these keys are read; None where it depends on what they hold."""
    fields = {key: key for key in keys if key in CONVERT or key == "ts"}
    plan, constants = None, {}
    if reading.plans:
        heads = {path.parts[0] for p in reading.plans for path in p.paths if path.key not in keys}
        if heads & set(keys):
            return None
        plan = mapping.choose_plan(dict.fromkeys(keys), reading.plans)
    if plan:
        reading.used.add(plan.name)
        if plan.nested or any(p.key != p.target and p.target in keys for p in plan.paths):
            return None
        fields = {f: key for f, key in fields.items() if key not in {p.key for p in plan.paths}}
        fields |= {p.target: p.key for p in plan.paths if p.key in keys}
        constants = plan.constants
    loose, contested = [], []
    taken = set(fields.values())
    for key in keys:
        target = SYNONYMS.get(key)
        if key in taken:
            continue
        if target is None:
            loose.append(key)
        elif target in fields or target in constants:
            loose.append(key)
            contested.append(target)
        else:
            fields[target] = key
    if "ts" not in fields or any(target not in CONVERT for target in fields if target != "ts"):
        return None
    nested = any(field in NESTED for field in fields)
    form = plan.ts_format if plan else None
    return Shape(fields, tuple(loose), tuple(contested), constants, form, nested)


class Misfits(Exception):
    """Rows, by position, that cannot be read with the others of their shape."""

    def __init__(self, rows: set[int]) -> None:
        super().__init__("rows that are cases of their own")
        self.rows = rows


def read_columns(shape: Shape, rows: Sequence[Row], keys: Sequence[int]) -> Columns:
    """The cells of rows of one shape.

    Args:
        shape: what the rows have in common.
        rows: the rows.
        keys: how many keys the text of each row spells.

    Raises:
        Misfits: some rows are cases of their own.
    """
    taken: dict[str, list[Any]] = {
        field: [row[key] for row in rows] for field, key in shape.fields.items()
    }
    synonyms = {field for field, key in shape.fields.items() if SYNONYMS.get(key) == field}
    misfits: set[int] = set()
    for field, column in taken.items():
        allowed = TYPES["app" if field in synonyms and field != "ts" else field]
        misfits.update(find_other_types(column, allowed))
    loose = [[row[key] for row in rows] for key in shape.loose]
    misfits.update(find_unsafe_rows(shape, rows, keys, loose))
    for field in shape.contested:
        misfits.update(n for n, value in enumerate(taken.get(field, ())) if value is None)
    if misfits:
        raise Misfits(misfits)
    for target, constant in shape.constants.items():
        cells = taken.get(target, [None] * len(rows))
        taken[target] = [constant if cell is None else cell for cell in cells]
    moments, assumed = read_timestamps(taken.pop("ts"), shape.ts_format)
    cells = convert_columns(taken, misfits)
    if misfits:
        raise Misfits(misfits)
    add_inferred(cells, shape, rows, assumed)
    cells["ts"] = list(moments)
    return Columns(len(rows), cells)


def find_other_types(column: Sequence[Any], allowed: frozenset[type]) -> list[int]:
    """Positions of cells of another type."""
    if allowed.issuperset(map(type, column)):
        return []
    return [n for n, value in enumerate(column) if type(value) not in allowed]


SIMPLE = frozenset((str, int, bool, NOTHING))


def find_unsafe_rows(
    shape: Shape, rows: Sequence[Row], keys: Sequence[int], loose: Iterable[Sequence[Any]]
) -> Iterator[int]:
    """Positions of rows whose text may hide a key, or that nest, or hold a rare float."""
    flat = not shape.nested and all(SIMPLE.issuperset(map(type, column)) for column in loose)
    if flat:
        count = len(rows[0])
        yield from (n for n, spelled in enumerate(keys) if spelled != count)
        return
    for n, row in enumerate(rows):
        found = survey_value(row)
        if found.keys != keys[n] or found.depth > MAX_DEPTH or found.huge or not found.plain:
            yield n


def read_timestamps(column: Sequence[str], form: str | None) -> tuple[Sequence[int], list[int]]:
    """The moments in microseconds since 1970, and the positions of those whose zone was assumed.

    Raises:
        Misfits: some are no timestamps.
    """
    if form is None and (moments := read_iso_timestamps(column)):
        return moments, []
    found, assumed, misfits = [], [], set()
    for n, value in enumerate(column):
        try:
            moment, guessed = timestamps.read_timestamp(value, form)
            found.append(to_microseconds(moment))
            assumed += [n] if guessed else []
        except Refused:
            misfits.add(n)
    if misfits:
        raise Misfits(misfits)
    return found, assumed


def read_iso_timestamps(column: Sequence[str]) -> list[int]:
    """ISO 8601 with a zone, all of it, read at once; nothing where a cell is anything else."""
    import pyarrow as pa

    try:
        moments = pa.array(column, pa.string()).cast(pa.timestamp("us", tz="UTC")).view(pa.int64())
    except pa.ArrowInvalid:
        return []
    found = moments.to_numpy()
    within = found.min() >= EARLIEST and found.max() < LATEST
    return found.tolist() if within and len(min(column, key=len)) >= SHORTEST else []


def to_microseconds(moment: datetime) -> int:
    """A moment as the lake keeps it."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def convert_columns(taken: dict[str, list[Any]], misfits: set[int]) -> dict[str, list[Any]]:
    """The columns as they are kept; rows that cannot be are added to the misfits."""
    ids, apps = taken.get("trace_id"), taken.get("app")
    if ids is None or apps is None:
        misfits.update(range(len(next(iter(taken.values())))))
        return {}
    if max(map(len, ids)) > MAX_ID or not all(ids) or CONTROL.search("".join(ids)):
        misfits.update(
            n for n, v in enumerate(ids) if not v or len(v) > MAX_ID or CONTROL.search(v)
        )
    wrong = {app for app in set(apps) if not APP.fullmatch(app)}
    if wrong:
        misfits.update(n for n, app in enumerate(apps) if app in wrong)
    return {
        field: SETTLE.get(field, convert_identifiers)(field, cells, misfits)
        for field, cells in taken.items()
    }


def convert_identifiers(_field: str, cells: list[Any], _misfits: set[int]) -> list[Any]:
    """Text, numbers as text."""
    if int not in set(map(type, cells)):
        return cells
    return [str(cell) if type(cell) is int else cell for cell in cells]


def convert_prose(field: str, cells: list[Any], _misfits: set[int]) -> list[Any]:
    """Text; nothing where the field may not be null."""
    blank = BLANK[field]
    return cells if blank is None else [blank if cell is None else cell for cell in cells]


def convert_counts(_field: str, cells: list[Any], misfits: set[int]) -> list[Any]:
    """Whole numbers that fit 64 bits."""
    misfits.update(n for n, v in enumerate(cells) if v is not None and not -(2**63) <= v < 2**63)
    return cells


def convert_numbers(_field: str, cells: list[Any], misfits: set[int]) -> list[Any]:
    """Floats that were no integers too large for one."""
    misfits.update(n for n, v in enumerate(cells) if v is not None and abs(v) >= EXACT_FLOAT)
    return [None if cell is None else float(cell) for cell in cells]


def convert_nested(field: str, cells: list[Any], misfits: set[int]) -> list[Any]:
    """Lists and objects, converted cell by cell; their text is written when they are complete."""
    empty: Any = {} if field in MUTABLE else ()
    made: list[Any] = []
    for n, cell in enumerate(cells):
        try:
            made.append(empty if cell is None else CONVERT[field](field, cell))
        except Refused:
            misfits.add(n)
            made.append(empty)
    return made


Settle = Callable[[str, list[Any], set[int]], list[Any]]
SETTLE: dict[str, Settle] = {
    **dict.fromkeys(PROSE, convert_prose),
    **dict.fromkeys(COUNTS, convert_counts),
    **dict.fromkeys(MEASURES, convert_numbers),
    **dict.fromkeys(NESTED, convert_nested),
}


def add_inferred(
    cells: dict[str, list[Any]], shape: Shape, rows: Sequence[Row], assumed: Sequence[int]
) -> None:
    """Adds what follows from the rest, and writes nested values as text."""
    count = len(rows)
    if shape.loose or assumed:
        held = cells.get("metadata", [{}] * count)
        cells["metadata"] = [
            merge_metadata(said, {key: row[key] for key in shape.loose})
            for said, row in zip(held, rows, strict=True)
        ]
    if "messages" in cells or "prompt_hash" in cells:
        infer_missing_cells(cells, count)
    for n in assumed:
        cells["metadata"][n] = merge_metadata(
            cells["metadata"][n], {"ts_zone": timestamps.ZONE_ASSUMED}
        )
    for field in NESTED:
        if field in cells:
            cells[field] = list(map(to_json_text, cells[field]))


FOLLOWS = ("input", "messages", "prompt_version", "prompt_hash", "metadata")


def infer_missing_cells(cells: dict[str, list[Any]], count: int) -> None:
    """What `complete` makes of rows with a chat or a template."""
    empty: dict[str, Any] = {**BLANK, "metadata": {}}
    for field in FOLLOWS:
        cells.setdefault(field, [empty[field]] * count)
    for n in range(count):
        values = {field: cells[field][n] for field in FOLLOWS}
        infer_missing(values)
        for field in ("input", "prompt_version", "prompt_hash", "metadata"):
            cells[field][n] = values[field]


def to_json_text(value: Json) -> str:
    """The canonical JSON of a value; floats with an exponent were sorted out before."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
