"""The threshold last proposed for each judge; a person promotes it."""

from __future__ import annotations

from typing import Any

from evals.storage.lake import Lake


def write_candidate(lake: Lake, judge: str, candidate: dict[str, Any]) -> None:
    """Replaces a judge's candidate, as people are shown it."""
    lake.replace_document(f"candidates/{judge}.json", candidate)
