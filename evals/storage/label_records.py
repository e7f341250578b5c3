"""Labels and gold values at rest: JSON lines, appended batch by batch and never changed.

What a label means for a judge is `evals.labels`'; the folders they rest in are the lake's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from evals.records import GoldValue, Label, digest, encode_canonical
from evals.storage.files import replace

Row = dict[str, Any]

OPTIONAL = (
    "critique", "answer", "rubric_version", "time", "seconds_spent", "sampling_probability",
    "supersedes",
)  # fmt: skip
"""What a label's row leaves out where it is not known."""


def label_row(label: Label) -> Row:
    """A label as it rests, with an id."""
    row = dataclasses.asdict(label) | {"time": label.time and label.time.isoformat()}
    named = row.pop("id")
    found = {key: row[key] for key in row if key not in OPTIONAL or row[key] not in (None, "")}
    return {**found, "id": named or digest(found, 20)}


def read_label(row: Row) -> Label:
    """The label of a row."""
    time = row.get("time")
    return Label(**{**row, "time": datetime.fromisoformat(time)} if time else row)


def gold_row(value: GoldValue) -> Row:
    """A gold value as it rests."""
    return dataclasses.asdict(value)


def without_superseded(labels: Iterable[Label]) -> list[Label]:
    """The labels that no other takes the place of."""
    every = list(labels)
    replaced = {label.supersedes for label in every if label.supersedes}
    return [label for label in every if label.id not in replaced] if replaced else every


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Replaces a file by rows, one a line; returns how many."""
    lines = [encode_canonical(row) for row in rows]
    replace(path, b"\n".join(lines) + b"\n")
    return len(lines)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file."""
    return (json.loads(line) for line in path.read_bytes().splitlines() if line.strip())


def change_rows(folder: Path, change: Callable[[Row], Row | None]) -> int:
    """Changes rows of every file of a folder, or removes them (None); returns how many."""
    touched = 0
    for path in sorted(folder.glob("*.jsonl")):
        before = list(read_rows(path))
        after = [change(row) for row in before]
        differing = sum(old != new for old, new in zip(before, after, strict=True))
        if differing:
            write_rows(path, [row for row in after if row is not None])
            touched += differing
    return touched
