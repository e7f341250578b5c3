"""The address at which `andon ui` last served the board, for links in Dagster."""

from __future__ import annotations

from evals.storage.lake import Lake

NAME = "dagster/board.json"


def read_address(lake: Lake) -> str | None:
    """Reads the address without a final slash; None if no UI was started yet."""
    return lake.read_document(NAME, lambda row: row.get("url"))


def write_address(lake: Lake, url: str) -> None:
    """Replaces the address."""
    lake.replace_document(NAME, {"url": url})
