"""The problems of a catalog, stored until one of its files changes, since checking is slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evals.specs import Problem
from evals.storage.lake import Lake

NAME = "catalog_checks.json"


def read_findings(lake: Lake, digest: str) -> list[Problem] | None:
    """Reads the problems of a catalog whose files have a digest; None if it was not checked."""

    def parse(row: dict[str, Any]) -> list[Problem] | None:
        if row["of"] != digest:
            return None
        return [Problem.model_validate(problem) for problem in row["problems"]]

    return lake.read_document(NAME, parse)


def write_findings(lake: Lake, digest: str, problems: Sequence[Problem]) -> None:
    """Stores the problems of a catalog whose files have a digest."""
    rows = [problem.model_dump() for problem in problems]
    lake.replace_document(NAME, {"of": digest, "problems": rows})
