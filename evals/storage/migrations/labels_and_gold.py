"""Turns rows about a trace into labels and gold values; gold was an annotator before.

A label's id is a digest of its content, as for every label that arrives without one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.records import GoldValue, Label
from evals.storage.label_records import encode_gold, read_rows, write_rows
from evals.storage.label_rows import encode_label
from evals.storage.migrations.step import Change, Step

GOLD = "gold"


def find_changes(home: Path) -> Iterator[Change]:
    """Yields a change for each file of labels with rows about a trace."""
    for path in sorted((home / "labels").glob("*.jsonl")):
        rows = list(read_rows(path))
        if any("trace_id" in row for row in rows):
            description = f"labels/{path.name}: {len(rows)} rows become labels and gold values"
            yield Change(description, functools.partial(split_file, path, rows))


def split_file(path: Path, rows: list[dict[str, Any]]) -> None:
    """Moves the gold values of a file to a file of their own, and rewrites its labels."""
    gold = [encode_gold(parse_gold(row, path.stem)) for row in rows if row["annotator"] == GOLD]
    labels = [encode_label(parse_label(row)) for row in rows if row["annotator"] != GOLD]
    if gold:
        write_rows(path.parent.with_name("gold") / path.name, gold)
    if labels:
        write_rows(path, labels)
    else:
        path.unlink()


def parse_gold(row: dict[str, Any], source: str) -> GoldValue:
    """Returns a row by the annotator `gold` as a gold value."""
    return GoldValue(row["trace_id"], row["dimension"], row["verdict"], source)


def parse_label(row: dict[str, Any]) -> Label:
    """Returns a row by another annotator as a label."""
    return Label(
        subject_id=row["trace_id"],
        dimension=row["dimension"],
        verdict=row["verdict"],
        annotator=row["annotator"],
        annotator_kind=row["annotator_kind"],
        critique=row.get("note") or "",
        answer=row.get("answer") or "",
    )


STEP = Step(2, "labels-and-gold", find_changes)
