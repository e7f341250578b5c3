"""Renames the columns of a row to canonical fields, by the catalog's mappings and by synonyms.

`fields` decides which values a field accepts.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from evals import specs
from evals.records import Json, encode_canonical
from evals.traces.files.encodings import DeclaredEncoding
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.strict_json import Refused, parse_inner
from evals.traces.rows.numbers import Mark

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


class LeftOut(Refused):
    """The row is one that `where` of a mapping leaves out."""

    def __init__(self) -> None:
        super().__init__("left-out", "`where` of the mapping leaves the row out.")


class ColumnPath(NamedTuple):
    """The path at which a mapping finds one canonical field."""

    target: str
    key: str
    """The path as written, which may also be one key with dots in it."""
    parts: tuple[str, ...]
    is_optional: bool = False
    """Whether no row of a file needs to have it."""

    @property
    def renames(self) -> bool:
        """Whether the column has another name than its field."""
        return self.key != self.target


class Condition(NamedTuple):
    """What the rows of a mapping have in one column."""

    path: ColumnPath
    words: frozenset[str]
    """Values as text; empty for null."""
    is_excluding: bool
    """Whether the rows with these values are left out, and not the others."""

    def includes(self, value: Json | Absent) -> bool:
        """Whether a row with this value is one of the mapping's."""
        return (to_word(value) in self.words) is not self.is_excluding


class Plan(NamedTuple):
    """A mapping, prepared to be applied to rows."""

    name: str
    paths: tuple[ColumnPath, ...]
    constants: dict[str, str]
    ts_format: str | None
    nested: tuple[str, ...]
    """Targets within a field, such as `versions.index`."""
    where: tuple[Condition, ...] = ()
    zone: ZoneInfo | None = None
    """Of timestamps without one."""
    decimal: Mark | None = None
    encoding: str | None = None
    """Of files with these columns that are not UTF-8."""
    group_by: ColumnPath | None = None
    """The id of the trace that a row is a span of."""
    makes_ids: bool = False
    """Whether a row without an id gets one made of its content."""

    def includes(self, row: dict[str, Json]) -> bool:
        """Whether `where` includes a row."""
        return all(condition.includes(find_value(row, condition.path)) for condition in self.where)

    def excludes(self, row: dict[str, Json]) -> bool:
        """Whether `where` leaves out a row, which has one of its columns."""
        if not self.where or self.includes(row):
            return False
        return any(find_value(row, condition.path) is not ABSENT for condition in self.where)

    def list_found(self, row: Mapping[str, Json]) -> list[str]:
        """Lists the targets whose column a row has."""
        targets = [path.target for path in self.paths if find_value(row, path) is not ABSENT]
        if self.group_by and find_value(row, self.group_by) is not ABSENT:
            targets.append(GROUP)
        return targets

    def maps(self, row: Mapping[str, Json], targets: list[str]) -> bool:
        """Whether applying the plan to a row, with columns for some targets, changes it."""
        if any(path.renames and path.target in targets for path in self.paths):
            return True
        if GROUP in targets or self.makes_ids or (self.ts_format and "ts" in targets):
            return True
        return any(row.get(target) is None for target in self.constants)


class RenamedRow(NamedTuple):
    """A row under canonical names."""

    row: dict[str, Json]
    rest: dict[str, Json]
    """Values whose key was taken by another column."""
    plan: Plan | None
    """The mapping that was applied."""


GROUP = "group_by"
"""The name of the column of `group_by` among a mapping's targets."""


def to_word(value: Json | Absent) -> str:
    """Returns a cell as the text that `where` compares: null and absent ones are empty."""
    if value is None or isinstance(value, Absent):
        return ""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value.strip() if type(value) is str else encode_canonical(value).decode()


def make_path(target: str, path: str, is_optional: bool = False) -> ColumnPath:
    """Makes a path of its text."""
    return ColumnPath(target, path, tuple(path.split(".")), is_optional)


@functools.lru_cache(maxsize=64)
def make_plan(name: str, text: str) -> Plan:
    """Makes the plan of a mapping, given as JSON because a mapping cannot be hashed."""
    mapping = specs.Mapping.model_validate_json(text)
    columns = {
        target: column if isinstance(column, specs.Column) else specs.Column(path=column)
        for target, column in mapping.columns.items()
    }
    ts = columns.get("ts")
    return Plan(
        name,
        tuple(make_path(t, c.path, c.optional) for t, c in columns.items()),
        dict(mapping.constants),
        ts.format if ts else None,
        tuple(target for target in {**columns, **mapping.constants} if "." in target),
        tuple(make_condition(path, value) for path, value in mapping.where.items()),
        ZoneInfo(mapping.zone) if mapping.zone else None,
        mapping.decimal,
        mapping.encoding,
        make_path(GROUP, mapping.group_by) if mapping.group_by else None,
        mapping.row_id == "content",
    )


def make_condition(path: str, value: specs.Condition) -> Condition:
    """Makes a condition of what `where` declares for a column."""
    excluded = isinstance(value, specs.Excluded)
    values = value.values if isinstance(value, specs.Excluded) else value
    listed = values if isinstance(values, tuple) else (values,)
    return Condition(make_path(path, path), frozenset(map(to_word, listed)), excluded)


def make_plans(mappings: Mapping[str, specs.Mapping], name: str | None) -> tuple[Plan, ...]:
    """Makes the plans to choose from: the named one alone, or all in the order of their names.

    Raises:
        LookupError: there is no mapping of that name.
    """
    if name is not None and name not in mappings:
        names = ", ".join(sorted(mappings)) or "none"
        raise LookupError(f"no mapping {name!r} in the catalog; it has: {names}")
    names = sorted(mappings) if name is None else [name]
    return tuple(make_plan(key, mappings[key].model_dump_json(by_alias=True)) for key in names)


def list_encodings(plans: Sequence[Plan]) -> tuple[DeclaredEncoding, ...]:
    """Lists the encodings that mappings declare."""
    return tuple(
        DeclaredEncoding(plan.encoding, tuple(path.parts[0] for path in plan.paths))
        for plan in plans
        if plan.encoding
    )


def choose_plan(row: dict[str, Json], plans: tuple[Plan, ...]) -> Plan | None:
    """Returns the only plan, or the one that finds most of its columns in the row.

    Raises:
        LeftOut: `where` of a plan leaves the row out, and no other plan finds a column in it.
    """
    included = plans
    if any(plan.where for plan in plans):
        included = tuple(plan for plan in plans if plan.includes(row))
        if not included and any(plan.excludes(row) for plan in plans):
            raise LeftOut
    if len(included) == 1 == len(plans):
        return included[0]
    counts = [sum(find_value(row, path) is not ABSENT for path in plan.paths) for plan in included]
    best = max(counts, default=0)
    if not best and any(plan.excludes(row) for plan in plans):
        raise LeftOut
    return included[counts.index(best)] if best else None


def find_value(row: Mapping[str, Json], path: ColumnPath) -> Json | Absent:
    """Returns the value at a path, or ABSENT; a number indexes a list, JSON in a text is parsed."""
    if path.key in row:
        return row[path.key]
    if path.parts[0] not in row:
        return ABSENT
    value: Json = row[path.parts[0]]
    for part in path.parts[1:]:
        value = parse_wrapper(value) if type(value) is str else value
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
    if plan.makes_ids and all(renamed.get(key) in (None, "") for key in ("trace_id", "id")):
        renamed["trace_id"] = make_row_id(row)
    return RenamedRow(renamed, rest, plan)


def make_row_id(row: Mapping[str, Json]) -> str:
    """Makes the id of a row from its content: the same for the same row in another export."""
    return f"row-{hashlib.sha256(encode_canonical(dict(row))).hexdigest()[:24]}"


def nest_value(row: dict[str, Json], target: str) -> None:
    """Moves a value into the field it belongs to, where that is an object or null."""
    field, _, name = target.partition(".")
    parent = row.get(field)
    parent = {} if parent is None else parse_inner(parent) if type(parent) is str else parent
    if type(parent) is dict and (value := row.pop(target, None)) is not None:
        row[field] = {**parent, name: value}
