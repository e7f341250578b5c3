"""What was found wrong in a catalog, kept until one of its files changes: looking is slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evals.specs import Problem
from evals.storage.lake import Lake

NAME = "catalog_checks.json"


def read_findings(lake: Lake, of: str) -> list[Problem] | None:
    """The problems of a catalog in one state of its files; None where it was not looked at."""
    known: dict[str, Any] = lake.read_document(NAME) or {}
    found = known["problems"] if known.get("of") == of else None
    return None if found is None else list(map(Problem.model_validate, found))


def write_findings(lake: Lake, of: str, found: Sequence[Problem]) -> None:
    """Keeps the problems of a catalog in one state of its files."""
    lake.replace_document(NAME, {"of": of, "problems": [one.model_dump() for one in found]})
