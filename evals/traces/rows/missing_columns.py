"""Finds the columns of a mapping that no row of a file has.

Such a name is probably misspelt, so the file is refused before any of its rows is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from evals.specs import find_nearest
from evals.traces.rows.mapping import GROUP, ColumnPath, Plan
from evals.traces.rows.notes import ReadingNotes

FEWEST = 0.1
"""A mapping is checked if it was applied to at least this share of a file's rows."""
LISTED = 8


class MissingColumnsError(ValueError):
    """A mapping names columns that no row of the file has; the message lists them."""


class MissingColumn(NamedTuple):
    """A column that a mapping names and no row has."""

    mapping: str
    path: ColumnPath
    nearest: str | None
    """The most similar name among the file's columns; None where none is near."""

    def describe(self) -> str:
        """Describes the column in a sentence without its end."""
        where = "group_by" if self.path.target == GROUP else f"columns.{self.path.target}"
        near = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"no row has the column {self.path.key!r} (mappings.{self.mapping}.{where}){near}"


def check_columns(
    file: str, notes: ReadingNotes, plans: Sequence[Plan], *, has_traces: bool
) -> None:
    """Checks that each column of the mappings that were applied to a file is in some row.

    Args:
        file: the file's name, for the message.
        notes: what reading all of it noted.
        plans: the catalog's mappings.
        has_traces: whether any row became a trace. If none did, a mapping that was applied to no
            row is checked too, for names that are near to those of the file.

    Raises:
        MissingColumnsError: a column is in none.
    """
    missing = list(find_missing(notes, plans))
    if not missing and not has_traces:
        others = (one for plan in plans for one in list_missing(notes, plan, ""))
        missing = [one for one in others if one.nearest]
    if not missing:
        return
    columns = list_columns(notes, missing[0].mapping)
    shown = ", ".join(columns[:LISTED]) + (", …" if len(columns) > LISTED else "")
    raise MissingColumnsError(
        f"{file}: {'; '.join(one.describe() for one in missing)}. Nothing of the file was taken "
        "in: correct the name in catalog.yaml, or write `{path: NAME, optional: true}` for a "
        f"column that a file may lack. The file has: {shown or 'no columns'}"
    )


def find_missing(notes: ReadingNotes, plans: Iterable[Plan]) -> Iterator[MissingColumn]:
    """Yields the columns that no row has, of the mappings that were applied to enough rows."""
    rows = notes.mapped.total()
    for plan in plans:
        if plan.name in notes.mapped and notes.mapped[plan.name] >= FEWEST * rows:
            yield from list_missing(notes, plan, plan.name)


def list_missing(notes: ReadingNotes, plan: Plan, applied: str) -> Iterator[MissingColumn]:
    """Yields the columns of a mapping that are in no row; optional ones are not among them."""
    mapped = notes.found.get(applied, set[str]())
    paths = [*plan.paths, *([plan.group_by] if plan.group_by else [])]
    for path in paths:
        if path.target not in mapped and not path.is_optional:
            yield MissingColumn(
                plan.name, path, find_nearest(path.key, list_columns(notes, applied))
            )


def list_columns(notes: ReadingNotes, mapping: str) -> list[str]:
    """Lists the columns of the rows that a mapping was applied to, else of all other rows."""
    return list(notes.keys.get(mapping) or notes.keys.get("") or ())
