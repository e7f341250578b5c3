"""Renames the columns of a row to canonical fields, by the catalog's mappings and by synonyms.

`fields` decides which values a field accepts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, NamedTuple

from evals import specs
from evals.records import Json
from evals.traces.files.strict_json import parse_inner

SYNONYMS = {
    "id": "trace_id",
    "timestamp": "ts",
    "question": "input",
    "answer": "output",
    "user": "user_id",
    "session": "session_id",
}
"""Read where the canonical key is absent or null, and the value is text or a number."""


class Absent:
    """Marks that a row has no value at a path."""


ABSENT: Final = Absent()


class RenamedRow(NamedTuple):
    """A row under canonical names."""

    row: dict[str, Json]
    rest: dict[str, Json]
    """Values whose key was taken by another column."""
    ts_format: str | None


class ColumnPath(NamedTuple):
    """The path at which a mapping finds one canonical field."""

    target: str
    key: str
    """The path as written, which may also be one key with dots in it."""
    parts: tuple[str, ...]


class Plan(NamedTuple):
    """A mapping, prepared to be applied to rows."""

    name: str
    paths: tuple[ColumnPath, ...]
    constants: dict[str, str]
    ts_format: str | None
    nested: tuple[str, ...]
    """Targets within a field, such as `versions.index`."""


@functools.lru_cache(maxsize=64)
def make_plan(name: str, text: str) -> Plan:
    """Makes the plan of a mapping, given as JSON because a mapping cannot be hashed."""
    mapping = specs.Mapping.model_validate_json(text)
    columns = {
        target: column if isinstance(column, specs.Column) else specs.Column(path=column)
        for target, column in mapping.columns.items()
    }
    paths = tuple(ColumnPath(t, c.path, tuple(c.path.split("."))) for t, c in columns.items())
    ts = columns.get("ts")
    nested = tuple(target for target in {**columns, **mapping.constants} if "." in target)
    return Plan(name, paths, dict(mapping.constants), ts.format if ts else None, nested)


def make_plans(mappings: Mapping[str, specs.Mapping], name: str | None) -> tuple[Plan, ...]:
    """Makes the plans to choose from: the named one alone, or all in the order of their names.

    Raises:
        LookupError: there is no mapping of that name.
    """
    if name is not None and name not in mappings:
        known = ", ".join(sorted(mappings)) or "none"
        raise LookupError(f"no mapping {name!r} in the catalog; it has: {known}")
    names = sorted(mappings) if name is None else [name]
    return tuple(make_plan(key, mappings[key].model_dump_json()) for key in names)


def choose_plan(row: dict[str, Json], plans: tuple[Plan, ...]) -> Plan | None:
    """Returns the only plan, or the one that finds most of its columns in the row."""
    if len(plans) == 1:
        return plans[0]
    counts = [sum(find_value(row, path) is not ABSENT for path in plan.paths) for plan in plans]
    best = max(counts, default=0)
    return plans[counts.index(best)] if best else None


def find_value(row: dict[str, Json], path: ColumnPath) -> Json | Absent:
    """Returns the value at a path, or ABSENT; a number indexes a list, JSON in a text is parsed."""
    if path.key in row:
        return row[path.key]
    value: Json = row
    for part in path.parts:
        value = parse_inner(value) if type(value) is str else value
        if type(value) is dict and part in value:
            value = value[part]
        elif type(value) is list and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def rename_columns(row: dict[str, Json], plan: Plan) -> RenamedRow:
    """Returns the row with each mapped column under its canonical name.

    A column that the row lacks leaves the canonical key unchanged. A constant fills a null field.
    A value whose key another column takes goes to `rest`; a nested value is copied, its parent
    stays.
    """
    moved = {p.key for p in plan.paths if p.key in row and p.target != p.key}
    renamed = {key: value for key, value in row.items() if key not in moved}
    rest: dict[str, Json] = {}
    for path in plan.paths:
        value = find_value(row, path)
        if isinstance(value, Absent):
            continue
        if path.key != path.target and renamed.get(path.target) is not None:
            rest[path.target] = renamed[path.target]
        renamed[path.target] = value
    for target, constant in plan.constants.items():
        if renamed.get(target) is None:
            renamed[target] = constant
    for target in plan.nested:
        nest_value(renamed, target)
    return RenamedRow(renamed, rest, plan.ts_format)


def nest_value(row: dict[str, Json], target: str) -> None:
    """Moves a value into the field it belongs to, where that is an object or null."""
    field, _, name = target.partition(".")
    parent = row.get(field)
    parent = {} if parent is None else parse_inner(parent) if type(parent) is str else parent
    if type(parent) is dict and (value := row.pop(target, None)) is not None:
        row[field] = {**parent, name: value}
