"""Where `andon ui` served the board last, which links in Dagster lead to."""

from __future__ import annotations

from evals.storage.lake import Lake

NAME = "dagster/board.json"


def read_address(lake: Lake) -> str | None:
    """The address without a slash at its end; None where no UI was started yet."""
    row: dict[str, str] = lake.read_document(NAME) or {}
    return row.get("url")


def write_address(lake: Lake, url: str) -> None:
    """Replaces the address."""
    lake.replace_document(NAME, {"url": url})
