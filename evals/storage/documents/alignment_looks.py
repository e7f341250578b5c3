"""When each judge was looked at on its test labels, and what was seen; a look never changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from evals.storage.lake import Lake

NAME = "alignment_looks.json"


class StoredLook(NamedTuple):
    """A look at a judge on its test labels."""

    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    at: int
    """The labels of the rarer class from which it was due."""
    seen: str
    """The day it was first seen, in UTC and ISO form."""
    night: str | None
    """The night whose labels brought it."""
    passes: int
    failures: int
    tpr: float
    tpr_low: float
    tnr: float
    tnr_low: float
    passed: bool
    """Whether the judge agreed with people enough to decide."""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What is looked at once."""
        return self[:5]


def read_looks(lake: Lake) -> list[StoredLook]:
    """Reads every look, in the order in which they were seen."""
    return lake.read_document(NAME, parse_looks) or []


def parse_looks(rows: Sequence[dict[str, Any]]) -> list[StoredLook]:
    """Returns the document as records."""
    return [StoredLook(**row) for row in rows]


def add_looks(lake: Lake, looks: Sequence[StoredLook]) -> list[StoredLook]:
    """Adds looks that are not stored; returns all there are."""
    with lake.lock("alignment-looks"):
        stored = read_looks(lake)
        known = {one.key for one in stored}
        new = [one for one in looks if one.key not in known]
        if new:
            lake.replace_document(NAME, [one._asdict() for one in (*stored, *new)], durable=True)
    return [*stored, *new]
