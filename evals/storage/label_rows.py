"""A label as a row of JSON, and which labels of a history count.

The files of such rows are `label_records`' and `verdict_files`'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeAlias

from evals.records import Json, Label, digest

Row: TypeAlias = dict[str, Json]

ChangeRow: TypeAlias = Callable[[Row], Row | None]
"""Returns a row changed or as it is; None removes it."""

DEFAULTS: dict[str, object] = {
    **dict.fromkeys((
        "critique", "answer", "rubric_version", "time", "seconds_spent", "sampling_probability",
        "supersedes",
    ), None),
    "tags": [],
    "status": "given",
}  # fmt: skip
"""Fields that a label's row omits where they are unknown, or as usual."""


def encode_label(label: Label) -> Row:
    """Returns a label as the row of a file, with an id."""
    row = dataclasses.asdict(label) | {"time": label.time and label.time.isoformat()}
    row["tags"] = list(label.tags)
    label_id = row.pop("id")
    known = {key: row[key] for key in row if not is_default(key, row[key])}
    return {**known, "id": label_id or digest(known, 20)}


def is_default(key: str, value: object) -> bool:
    """Whether a row omits a field of this value."""
    return key in DEFAULTS and value in (DEFAULTS[key], None, "")


def parse_label(row: dict[str, Any]) -> Label:
    """Returns the label of a row that `encode_label` made."""
    time = row.get("time")
    values: dict[str, Any] = {**row, "tags": tuple(row.get("tags", ()))}
    if time:
        values["time"] = datetime.fromisoformat(time)
    return Label(**values)


def drop_superseded(labels: Iterable[Label]) -> list[Label]:
    """Returns the labels that no other replaces.

    A label that was withdrawn replaces nothing any more, and its withdrawal is no label. A row that
    was imported again is one label with the first.
    """
    every = drop_repeated(labels)
    withdrawn = {one.supersedes for one in every if one.status == "withdrawn"}
    current = [one for one in every if one.status != "withdrawn" and one.id not in withdrawn]
    replaced = {one.supersedes for one in current if one.supersedes}
    return [one for one in current if one.id not in replaced]


def drop_repeated(labels: Iterable[Label]) -> list[Label]:
    """Returns the labels without those that come again later with the same id and content."""
    seen: dict[str, list[Label]] = {}
    kept: list[Label] = []
    for label in reversed(list(labels)):
        same = seen.setdefault(label.id, [])
        if not label.id or label not in same:
            same.append(label)
            kept.append(label)
    return kept[::-1]


def select_votes(labels: Iterable[Label]) -> list[Label]:
    """Returns the labels that count: those that no other replaces, without the deferred ones."""
    return [label for label in drop_superseded(labels) if label.status == "given"]
