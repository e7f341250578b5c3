"""A row of any shape renamed to the canonical fields: the catalog's mappings, and plain synonyms.

Renames only; what a field may hold is decided with the trace.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

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
ABSENT: Any = object()


class RenamedRow(NamedTuple):
    """A row under canonical names."""

    row: dict[str, Json]
    rest: dict[str, Json]
    """What the mapping put aside: keys whose name another column took."""
    ts_format: str | None


class Path(NamedTuple):
    """Where a mapping finds one canonical field."""

    target: str
    key: str
    """The path as written, which may also be one key with dots in it."""
    parts: tuple[str, ...]


class Plan(NamedTuple):
    """A mapping, made ready to be applied row by row."""

    name: str
    paths: tuple[Path, ...]
    constants: dict[str, str]
    ts_format: str | None
    nested: tuple[str, ...]
    """Targets within a field, such as `versions.index`."""


@functools.lru_cache(maxsize=64)
def make_plan(name: str, text: str) -> Plan:
    """The plan of a mapping, given as its JSON (a mapping itself cannot be hashed)."""
    mapping = specs.Mapping.model_validate_json(text)
    columns = {
        target: column if isinstance(column, specs.Column) else specs.Column(path=column)
        for target, column in mapping.columns.items()
    }
    paths = tuple(Path(t, c.path, tuple(c.path.split("."))) for t, c in columns.items())
    ts = columns.get("ts")
    nested = tuple(target for target in {**columns, **mapping.constants} if "." in target)
    return Plan(name, paths, dict(mapping.constants), ts.format if ts else None, nested)


def make_plans(mappings: Mapping[str, specs.Mapping], name: str | None) -> tuple[Plan, ...]:
    """The plans to choose from: the named one alone, or all in the order of their names.

    Raises:
        LookupError: there is no mapping of that name.
    """
    if name is not None and name not in mappings:
        known = ", ".join(sorted(mappings)) or "none"
        raise LookupError(f"no mapping {name!r} in the catalog; it has: {known}")
    names = sorted(mappings) if name is None else [name]
    return tuple(make_plan(key, mappings[key].model_dump_json()) for key in names)


def choose_plan(row: dict[str, Json], known: tuple[Plan, ...]) -> Plan | None:
    """The only plan, or the one that finds most of its columns in the row."""
    if len(known) == 1:
        return known[0]
    found = [sum(find_value(row, path) is not ABSENT for path in plan.paths) for plan in known]
    best = max(found, default=0)
    return known[found.index(best)] if best else None


def find_value(row: dict[str, Json], path: Path) -> Json:
    """What stands at a path, or ABSENT: a number steps into a list, and JSON in a text is read."""
    if path.key in row:
        return row[path.key]
    value: Json = row
    for part in path.parts:
        if type(value) is str:
            value = parse_inner(value)
        if type(value) is dict and part in value:
            value = value[part]
        elif type(value) is list and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def rename_columns(row: dict[str, Json], plan: Plan) -> RenamedRow:
    """The row with each mapped column under its canonical name.

    A column the row lacks leaves the canonical key as it is. A constant fills a field the row
    says nothing of. A value under a name that another column took is put aside, never lost; a
    nested value is copied out, its parent stays.
    """
    moved = {p.key for p in plan.paths if p.key in row and p.target != p.key}
    kept = {key: value for key, value in row.items() if key not in moved}
    rest: dict[str, Json] = {}
    for path in plan.paths:
        value = find_value(row, path)
        if value is ABSENT:
            continue
        if path.key != path.target and kept.get(path.target) is not None:
            rest[path.target] = kept[path.target]
        kept[path.target] = value
    for target, constant in plan.constants.items():
        if kept.get(target) is None:
            kept[target] = constant
    for target in plan.nested:
        nest_value(kept, target)
    return RenamedRow(kept, rest, plan.ts_format)


def nest_value(row: dict[str, Json], target: str) -> None:
    """Moves a value under the field it belongs in, where that holds an object or nothing."""
    field, _, name = target.partition(".")
    held = row.get(field)
    held = {} if held is None else parse_inner(held) if type(held) is str else held
    if type(held) is dict and (value := row.pop(target, None)) is not None:
        row[field] = {**held, name: value}
