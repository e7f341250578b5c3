"""Reads rows of one shape column by column, without a record for each row.

Gives the same cells as `canonical` does for each row alone. `shapes` decides which key is which
field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias, cast
from zoneinfo import ZoneInfo

import orjson

from evals.records import Json, JsonLike
from evals.traces.files.strict_json import EXACT_FLOAT, MAX_DEPTH, Refused, survey_value
from evals.traces.rows import timestamps
from evals.traces.rows.answers import unwrap_answer
from evals.traces.rows.fields import (
    APP,
    BLANK,
    CONTROL,
    CONVERT,
    LISTS,
    MAX_ID,
    MUTABLE,
    NESTED,
)
from evals.traces.rows.inference import InferredValues, infer_missing, merge_metadata
from evals.traces.rows.mapping import SYNONYMS
from evals.traces.rows.shapes import Row, Shape
from evals.traces.rows.statuses import (
    OUTCOME_KEYS,
    derive_status,
    is_status,
    read_row_error,
    read_row_status,
)

Column: TypeAlias = list[JsonLike]
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
"""The types of cells that are read by the column; a row with a cell of another type is a misfit."""
EARLIEST, LATEST = (
    timestamps.to_microseconds(datetime(year, 1, 1, tzinfo=UTC))
    for year in (timestamps.YEARS[0], timestamps.YEARS[-1] + 1)
)
SHORTEST = len("2026-10-01T12:00:00Z")


class Columns(NamedTuple):
    """Some rows of a file as the lake stores them, nested values as JSON text."""

    size: int
    cells: dict[str, list[Any]]
    """A list of `size` cells a field; a missing field has its default in every row.

    `ts` is in microseconds since 1970.
    """


class Misfits(Exception):
    """The positions of rows that cannot be read with the others of their shape."""

    def __init__(self, rows: set[int]) -> None:
        super().__init__("rows that cannot be read by the column")
        self.rows = rows


def read_columns(shape: Shape, rows: Sequence[Row], keys: Sequence[int]) -> Columns:
    """Reads rows of one shape.

    Args:
        shape: how the rows are read.
        rows: the rows.
        keys: how many keys the text of each row contains.

    Raises:
        Misfits: some rows cannot be read by the column.
    """
    taken: dict[str, Column] = {
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
        blank: Column = [None] * len(rows)
        taken[target] = [constant if cell is None else cell for cell in taken.get(target, blank)]
    moments, assumed = read_timestamps(as_texts(taken.pop("ts")), shape.ts_format, shape.zone)
    cells = convert_columns(taken, misfits)
    if misfits:
        raise Misfits(misfits)
    add_inferred(cells, shape, rows, assumed)
    cells["ts"] = [*moments]
    return Columns(len(rows), cells)


def as_texts(column: Column) -> list[str]:
    """Returns a column whose cells `TYPES` found to be texts."""
    return cast("list[str]", column)


def find_other_types(column: Column, allowed: frozenset[type]) -> list[int]:
    """Lists the positions of cells of another type."""
    if allowed.issuperset(map(type, column)):
        return []
    return [n for n, value in enumerate(column) if type(value) not in allowed]


SIMPLE = frozenset((str, int, bool, NOTHING))


def find_unsafe_rows(
    shape: Shape, rows: Sequence[Row], keys: Sequence[int], loose: Iterable[Sequence[Json]]
) -> Iterator[int]:
    """Yields the positions of rows with equal keys, too deep nesting or rare floats."""
    flat = not shape.nested and all(SIMPLE.issuperset(map(type, column)) for column in loose)
    if flat:
        count = len(rows[0])
        yield from (n for n, in_text in enumerate(keys) if in_text != count)
        return
    for n, row in enumerate(rows):
        survey = survey_value(row)
        if survey.keys != keys[n] or survey.depth > MAX_DEPTH or survey.huge or not survey.plain:
            yield n


def read_timestamps(
    column: Sequence[str], form: str | None, zone: ZoneInfo | None
) -> tuple[Sequence[int], dict[int, str]]:
    """Parses moments to microseconds since 1970; notes the positions whose zone was assumed.

    Raises:
        Misfits: some cells are no timestamps, or local times when the clock was changed.
    """
    if form is None and (moments := read_iso_timestamps(column)):
        return moments, {}
    parsed: list[int] = []
    assumed: dict[int, str] = {}
    misfits: set[int] = set()
    for n, value in enumerate(column):
        try:
            moment, note = timestamps.read_timestamp(value, form, zone)
            parsed.append(timestamps.to_microseconds(moment))
            if note == timestamps.ZONE_ASSUMED:
                assumed[n] = note
            elif note:
                misfits.add(n)
        except Refused:
            misfits.add(n)
    if misfits:
        raise Misfits(misfits)
    return parsed, assumed


def read_iso_timestamps(column: Sequence[str]) -> list[int]:
    """Parses a column of ISO 8601 with a zone at once; empty where any cell is something else."""
    import pyarrow as pa

    try:
        moments = pa.array(column, pa.string()).cast(pa.timestamp("us", tz="UTC")).view(pa.int64())
    except pa.ArrowInvalid:
        return []
    array = moments.to_numpy()
    is_within = array.min() >= EARLIEST and array.max() < LATEST
    return array.tolist() if is_within and len(min(column, key=len)) >= SHORTEST else []


def convert_columns(taken: dict[str, Column], misfits: set[int]) -> dict[str, Column]:
    """Converts the columns as the lake stores them; adds rows that cannot be to the misfits."""
    if "trace_id" not in taken or "app" not in taken:
        misfits.update(range(len(next(iter(taken.values())))))
        return {}
    ids, apps = as_texts(taken["trace_id"]), as_texts(taken["app"])
    if max(map(len, ids)) > MAX_ID or not all(ids) or CONTROL.search("".join(ids)):
        misfits.update(
            n for n, v in enumerate(ids) if not v or len(v) > MAX_ID or CONTROL.search(v)
        )
    wrong = {app for app in set(apps) if not APP.fullmatch(app)}
    if wrong:
        misfits.update(n for n, app in enumerate(apps) if app in wrong)
    return {
        field: CONVERT_COLUMN.get(field, convert_identifiers)(field, cells, misfits)
        for field, cells in taken.items()
    }


def convert_identifiers(_field: str, cells: Column, _misfits: set[int]) -> Column:
    """Returns texts, and numbers as text."""
    if int not in set(map(type, cells)):
        return cells
    return [str(cell) if type(cell) is int else cell for cell in cells]


def convert_prose(field: str, cells: Column, _misfits: set[int]) -> Column:
    """Returns texts; an empty text for null where the field may not be null."""
    return cells if BLANK[field] is None else ["" if cell is None else cell for cell in cells]


def convert_answers(field: str, cells: Column, misfits: set[int]) -> Column:
    """Returns texts; adds those that a framework wrapped to the misfits."""
    texts = cast("list[str | None]", cells)  # by `TYPES`
    misfits.update(n for n, text in enumerate(texts) if text and unwrap_answer(text))
    return convert_prose(field, cells, misfits)


def convert_counts(_field: str, cells: Column, misfits: set[int]) -> Column:
    """Returns whole numbers; adds those beyond 64 bits to the misfits."""
    misfits.update(n for n, v in enumerate(cells) if type(v) is int and not -(2**63) <= v < 2**63)
    return cells


def convert_numbers(_field: str, cells: Column, misfits: set[int]) -> Column:
    """Returns floats; adds those that may have been a larger integer to the misfits."""
    numbers = cast("list[int | float | None]", cells)  # by `TYPES`
    misfits.update(n for n, v in enumerate(numbers) if v is not None and abs(v) >= EXACT_FLOAT)
    return [None if number is None else float(number) for number in numbers]


def convert_nested(field: str, cells: Column, misfits: set[int]) -> Column:
    """Returns lists and objects, converted; `add_inferred` writes their text later."""
    empty: JsonLike = {} if field in MUTABLE else ()
    convert = cast("Callable[[str, JsonLike], JsonLike]", CONVERT[field])
    converted: Column = []
    for n, cell in enumerate(cells):
        try:
            converted.append(empty if cell is None else convert(field, cell))
        except Refused:
            misfits.add(n)
            converted.append(empty)
    return converted


ConvertColumn: TypeAlias = Callable[[str, Column, set[int]], Column]
CONVERT_COLUMN: dict[str, ConvertColumn] = {
    **dict.fromkeys(PROSE, convert_prose),
    "output": convert_answers,
    **dict.fromkeys(COUNTS, convert_counts),
    **dict.fromkeys(MEASURES, convert_numbers),
    **dict.fromkeys(NESTED, convert_nested),
}


def add_inferred(
    cells: dict[str, Column], shape: Shape, rows: Sequence[Row], assumed: Mapping[int, str]
) -> None:
    """Adds what follows from other fields, and writes nested values as text."""
    count = len(rows)
    if shape.loose or assumed:
        metadata = as_objects(cells.get("metadata", [{}] * count))
        cells["metadata"] = [
            merge_metadata(
                own, {key: row[key] for key in shape.loose if not is_status(key, row[key])}
            )
            for own, row in zip(metadata, rows, strict=True)
        ]
    if "messages" in cells or "prompt_hash" in cells:
        infer_missing_cells(cells, count)
    cells["status"] = derive_statuses(cells, rows)
    if assumed:
        metadata = as_objects(cells["metadata"])
        for n, note in assumed.items():
            cells["metadata"][n] = merge_metadata(metadata[n], {"ts_zone": note})
    for field in NESTED:
        if field in cells:
            cells[field] = list(map(to_json_text, cells[field]))


def derive_statuses(cells: dict[str, Column], rows: Sequence[Row]) -> Column:
    """Derives the status of each row, as for a single one."""
    count, records = len(rows), not OUTCOME_KEYS.isdisjoint(rows[0])
    outputs = as_texts(cells.get("output", [""] * count))
    reasons = cast("list[str | None]", cells.get("finish_reason", [None] * count))
    steps = cast("list[Sequence[JsonLike]]", cells.get("steps", [()] * count))
    return [
        derive_status(
            outputs[n],
            steps[n],
            reasons[n],
            read_row_status(row) if records else None,
            read_row_error(row) if records else None,
        )
        for n, row in enumerate(rows)
    ]


def as_objects(column: Column) -> list[dict[str, Json]]:
    """Returns a column whose cells `TYPES` found to be objects."""
    return cast("list[dict[str, Json]]", column)


INFERRED = ("input", "messages", "prompt_version", "prompt_hash", "metadata")


def infer_missing_cells(cells: dict[str, Column], count: int) -> None:
    """Infers the fields of rows with a chat or a template, as for a single row."""
    empty = cast("dict[str, JsonLike]", {**BLANK, "metadata": {}})
    for field in INFERRED:
        cells.setdefault(field, [empty[field]] * count)
    for n in range(count):
        values = cast("InferredValues", {field: cells[field][n] for field in INFERRED})
        infer_missing(values)
        cells["input"][n] = values["input"]
        cells["prompt_version"][n] = values["prompt_version"]
        cells["prompt_hash"][n] = values["prompt_hash"]
        cells["metadata"][n] = values["metadata"]


def to_json_text(value: JsonLike) -> str:
    """Writes a value as canonical JSON; floats with an exponent were excluded before."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
