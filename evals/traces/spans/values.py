"""Values as exports of spans write them: nested or flat keys, Python's literals, times of any unit.

What an attribute means is in `facts`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable

from evals.records import Json
from evals.traces.files.lenient_json import SURROGATE, parse_wrapper
from evals.traces.files.strict_json import Refused
from evals.traces.rows import timestamps
from evals.traces.spans.attributes import MAX_PATH, convert_lists, set_at_path
from evals.traces.spans.span_rows import to_nanoseconds

Object = dict[str, Json]
UNFLATTENED = ("metadata", "variables", "invocation_parameters", "json_schema")
"""Attributes that are a team's own objects."""
MAX_LITERAL = 2**20
CALL = re.compile(r"datetime\.datetime\((?:[^()]|\([^()]*\))*\)")
"""A time as Python prints it within a list or an object."""
NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")
"""A time as a number, in a table's text."""
LATEST = 2**64
"""No time in nanoseconds is as late."""
UNITS = ((1e17, 1), (1e14, 10**3), (1e11, 10**6), (0.0, 10**9))
"""The least timestamp in nano-, micro-, milliseconds and seconds; each unit in nanoseconds."""


def flatten(tree: Object, prefix: str = "") -> Object:
    """Flattens nested attributes to dotted keys; lists and a team's own objects stay whole."""
    flat: Object = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if type(value) is dict and value and path.rpartition(".")[2] not in UNFLATTENED:
            flat |= flatten(value, f"{path}.")
        else:
            flat[path] = value
    return flat


def parse_literal(value: Json, parse: Callable[[str], Json] = parse_wrapper) -> Json:
    """Parses the list or object in a cell's text, as JSON or as Python prints it.

    Args:
        value: The cell.
        parse: How JSON is parsed: in spite of its flaws, unless the text may be someone's own.
    """
    if type(value) is not str or value[:1] not in ("[", "{") or len(value) > MAX_LITERAL:
        return value
    parsed = parse(value)
    if parsed is not value:
        return parsed
    for text in (value, CALL.sub("None", value) if "datetime.datetime(" in value else ""):
        try:
            parsed = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return parsed if is_json(parsed) else value
    return value


def is_json(value: Json, depth: int = 20) -> bool:
    """Whether a value parsed as Python is valid JSON."""
    if depth == 0:
        return False
    if type(value) is list:
        return all(is_json(item, depth - 1) for item in value)
    if type(value) is dict:
        return all(type(k) is str and is_json(item, depth - 1) for k, item in value.items())
    if type(value) is float:
        return abs(value) < float("inf")
    if type(value) is int:
        return -(2**63) <= value < 2**63
    if type(value) is str:
        return SURROGATE.search(value) is None
    return value is None or type(value) is bool


def read_timestamp(value: Json) -> int | None:
    """Returns nanoseconds of ISO text, a number in some unit, or JavaScript's pair."""
    value = to_number(value) if type(value) is str and NUMBER.fullmatch(value) else value
    if type(value) is list and len(value) == 2:
        seconds, rest = value
        if type(seconds) is int and type(rest) is int:
            return to_nanoseconds(seconds * 10**9 + rest)
    if type(value) is str:
        try:
            when = timestamps.parse_iso(value)
            when = timestamps.read_timestamp(value)[0] if when else None
        except (ValueError, Refused):
            return None
        return to_nanoseconds(round(when.timestamp() * 10**6) * 1000) if when else None
    if not isinstance(value, int | float) or not 0 < value < LATEST:
        return None
    number = float(value)
    unit = next(unit for least, unit in UNITS if number >= least)
    if type(value) is int:
        return to_nanoseconds(value * unit)
    return to_nanoseconds(round(number * unit / 1000) * 1000)  # no float is as exact as this


def to_number(value: Json) -> Json:
    """Converts a table's text to the number it is; returns any other value as it is."""
    if type(value) is not str:
        return value
    try:
        number = int(value) if value.isdecimal() and len(value) < 20 else float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def nest_columns(row: Object, names: tuple[str, ...]) -> Object:
    """Joins the columns of a flattened object: `input.question` belongs to `input`.

    Args:
        row: A row of a table, or an object that is nested already.
        names: The objects that tables flatten. Keys that are numbers make a list.
    """
    nested: Object = {}
    trees: dict[str, Object] = {}
    for key, value in row.items():
        name, dot, rest = key.partition(".")
        if not dot or name not in names:
            nested[key] = value
        elif value not in (None, ""):
            set_at_path(trees.setdefault(name, {}), tuple(rest.split(".", MAX_PATH)), value)
    for name, tree in trees.items():
        if nested.get(name) in (None, "", {}):
            nested[name] = convert_lists(tree)
    return nested


def read_cells(row: Object, texts: tuple[str, ...]) -> Object:
    """Reads the cells of a table, whose text may represent a list or an object.

    Args:
        row: A row of a table.
        texts: The columns of an application's own text: JSON in them stays as it was written.
    """
    return {
        key: value if key in texts and parse_inner_text(value) else parse_literal(value)
        for key, value in row.items()
    }


def parse_inner_text(value: Json) -> bool:
    """Whether a value is the JSON text of a list or an object."""
    return type(value) is str and parse_wrapper(value) is not value
