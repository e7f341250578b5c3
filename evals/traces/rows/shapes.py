"""Decides how the rows with the same keys are read: which key gives which field.

A row that is unusual in some way has no shape; the format reads it alone. `columns` reads rows by
their shape.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from evals.records import Json
from evals.traces.rows import mapping
from evals.traces.rows.canonical import Reading
from evals.traces.rows.fields import CONVERT, NESTED
from evals.traces.rows.mapping import SYNONYMS, Plan
from evals.traces.rows.notes import ReadingNotes
from evals.traces.rows.statuses import OUTCOME_KEYS

Row: TypeAlias = dict[str, Json]


class Shape(NamedTuple):
    """How rows with the same keys are read."""

    fields: dict[str, str]
    """Canonical field to the row's key."""
    loose: tuple[str, ...]
    """Keys that go to metadata; a `status` does in other words than a trace's own."""
    contested: tuple[str, ...]
    """Fields with a synonym in the same row, which is read where the field is null."""
    constants: dict[str, str]
    ts_format: str | None
    nested: bool
    """Whether a field contains lists or objects."""
    zone: ZoneInfo | None = None
    """Of timestamps without one."""
    mapping: str = ""
    """The name of the mapping that changes the rows; empty where none does."""
    found: tuple[str, ...] = ()
    """The targets of the mapping that the rows have a column for."""


def find_shape(keys: tuple[str, ...], reading: Reading) -> Shape | None:
    """Decides how rows with these keys are read; None where it depends on their values."""
    fields = {key: key for key in keys if key in CONVERT or key == "ts"}
    plan = None
    if reading.plans:
        if depends_on_values(keys, reading.plans):
            return None
        plan = mapping.choose_plan(dict.fromkeys(keys), reading.plans)
    constants: dict[str, str] = {}
    if plan:
        if plan.nested or any(p.key != p.target and p.target in keys for p in plan.paths):
            return None
        if "status" in plan.constants or any(p.key in OUTCOME_KEYS for p in plan.paths):
            return None
        fields = {f: key for f, key in fields.items() if key not in {p.key for p in plan.paths}}
        fields |= {p.target: p.key for p in plan.paths if p.key in keys}
        constants = plan.constants
    loose, contested = take_synonyms(keys, fields, constants)
    if "ts" not in fields or any(target not in CONVERT for target in fields if target != "ts"):
        return None
    nested = any(field in NESTED for field in fields)
    shape = Shape(fields, tuple(loose), tuple(contested), constants, None, nested)
    return add_plan(shape, keys, plan, reading.notes) if reading.plans else shape


def depends_on_values(keys: tuple[str, ...], plans: tuple[Plan, ...]) -> bool:
    """Whether what a mapping does with rows of these keys depends on their values."""
    paths = (path for plan in plans for path in plan.paths if path.key not in keys)
    conditions = (condition.path for plan in plans for condition in plan.where)
    return bool({path.parts[0] for path in (*paths, *conditions)} & set(keys)) or any(
        plan.group_by for plan in plans
    )


def add_plan(shape: Shape, keys: tuple[str, ...], plan: Plan | None, notes: ReadingNotes) -> Shape:
    """Adds to a shape what its mapping declares of timestamps, and what it finds in these keys."""
    row: Row = dict.fromkeys(keys, "")
    targets = plan.list_found(row) if plan else []
    name = plan.name if plan and plan.maps(row, targets) else ""
    notes.add_keys(name, row)
    if plan is None:
        return shape
    own = (path.target for path in plan.paths if path.target in row)
    return shape._replace(
        ts_format=plan.ts_format, zone=plan.zone, mapping=name, found=(*targets, *own)
    )


def take_synonyms(
    keys: tuple[str, ...], fields: dict[str, str], constants: dict[str, str]
) -> tuple[list[str], list[str]]:
    """Adds synonyms to the fields; returns the loose keys and the contested fields."""
    loose: list[str] = []
    contested: list[str] = []
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
    return loose, contested
