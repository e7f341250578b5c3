"""Labels and gold values at rest: JSON lines, a file a batch.

What a label means for a judge is `evals.labels`'; which folder a file is in is the lake's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from evals.records import GoldValue, Json, Label, digest, encode_canonical
from evals.storage.files import replace

Row: TypeAlias = dict[str, Json]

ChangeRow: TypeAlias = Callable[[Row], Row | None]
"""Returns a row changed or as it is; None removes it."""

OPTIONAL = (
    "critique", "answer", "rubric_version", "time", "seconds_spent", "sampling_probability",
    "supersedes",
)  # fmt: skip
"""Fields that a label's row leaves out where they are not known."""


def label_row(label: Label) -> Row:
    """Returns a label as the row of a file, with an id."""
    row = dataclasses.asdict(label) | {"time": label.time and label.time.isoformat()}
    label_id = row.pop("id")
    known = {key: row[key] for key in row if key not in OPTIONAL or row[key] not in (None, "")}
    return {**known, "id": label_id or digest(known, 20)}


def parse_label(row: dict[str, Any]) -> Label:
    """Returns the label of a row that `label_row` made."""
    time = row.get("time")
    values: dict[str, Any] = {**row, "time": datetime.fromisoformat(time)} if time else row
    return Label(**values)


def gold_row(value: GoldValue) -> Row:
    """Returns a gold value as the row of a file."""
    return dataclasses.asdict(value)


def without_superseded(labels: Iterable[Label]) -> list[Label]:
    """Returns the labels that no other label supersedes."""
    every = list(labels)
    superseded = {label.supersedes for label in every if label.supersedes}
    return [label for label in every if label.id not in superseded] if superseded else every


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Replaces a file by rows, one a line; returns how many."""
    lines = [encode_canonical(row) for row in rows]
    replace(path, b"\n".join(lines) + b"\n")
    return len(lines)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file."""
    return (json.loads(line) for line in path.read_bytes().splitlines() if line.strip())


def change_rows(folder: Path, change: ChangeRow) -> int:
    """Changes rows of every file of a folder; returns how many were changed or removed."""
    touched = 0
    for path in sorted(folder.glob("*.jsonl")):
        before = list(read_rows(path))
        after = [change(row) for row in before]
        differing = sum(old != new for old, new in zip(before, after, strict=True))
        if differing:
            write_rows(path, [row for row in after if row is not None])
            touched += differing
    return touched
