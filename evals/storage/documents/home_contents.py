"""Whether a home holds the demo's data or a team's own: the two never mix."""

from __future__ import annotations

from typing import Literal

from evals.storage.lake import Lake

NAME = "contents.json"
Contents = Literal["demo", "team"]


def read_contents(lake: Lake) -> Contents | None:
    """Reads whose data a home holds; None where no run has written it yet."""
    match (lake.read_document(NAME) or {}).get("contents"):
        case "demo":
            return "demo"
        case "team":
            return "team"
        case _:
            return None


def write_contents(lake: Lake, contents: Contents) -> None:
    """Replaces whose data a home holds."""
    lake.replace_document(NAME, {"contents": contents})
