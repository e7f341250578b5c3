"""Whether a home holds the demo's data or a team's own: the two never mix."""

from __future__ import annotations

from typing import Literal, get_args

from evals.storage.lake import Lake

NAME = "contents.json"
Contents = Literal["demo", "team"]


def read_contents(lake: Lake) -> Contents | None:
    """Reads whose data a home holds; None where no run has written it yet."""
    document: dict[str, str] = lake.read_document(NAME) or {}
    known: tuple[Contents, ...] = get_args(Contents)
    return next((one for one in known if one == document.get("contents")), None)


def write_contents(lake: Lake, contents: Contents) -> None:
    """Replaces whose data a home holds."""
    lake.replace_document(NAME, {"contents": contents})
