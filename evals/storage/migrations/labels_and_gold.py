"""Labels were rows of a trace, gold among them as an annotator; now both are records of their own.

A row's id is made of its content, as that of a label which comes without one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.records import GoldValue, Label
from evals.storage.label_records import encode_gold, encode_label, read_rows, write_rows
from evals.storage.migrations.step import Change, Step

GOLD = "gold"


def find(home: Path) -> Iterator[Change]:
    """Files of labels whose rows are of a trace."""
    for path in sorted((home / "labels").glob("*.jsonl")):
        rows = list(read_rows(path))
        if any("trace_id" in row for row in rows):
            what = f"labels/{path.name}: {len(rows)} rows become labels and gold values"
            yield Change(what, functools.partial(rewrite, path, rows))


def rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the gold of a file beside the labels, then the labels in its place."""
    gold = [encode_gold(gold_of(row, path.stem)) for row in rows if row["annotator"] == GOLD]
    labels = [encode_label(label_of(row)) for row in rows if row["annotator"] != GOLD]
    if gold:
        write_rows(path.parent.with_name("gold") / path.name, gold)
    if labels:
        write_rows(path, labels)
    else:
        path.unlink()


def gold_of(row: dict[str, Any], source: str) -> GoldValue:
    """A row by the annotator `gold` as a gold value."""
    return GoldValue(row["trace_id"], row["dimension"], row["verdict"], source)


def label_of(row: dict[str, Any]) -> Label:
    """A row by anybody else as a label."""
    return Label(
        subject_id=row["trace_id"],
        dimension=row["dimension"],
        verdict=row["verdict"],
        annotator=row["annotator"],
        annotator_kind=row["annotator_kind"],
        critique=row.get("note") or "",
        answer=row.get("answer") or "",
    )


STEP = Step(2, "labels-and-gold", find)
