"""The files of refused rows whose bytes went by the retention rule, as they then were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evals.storage.lake import Lake

NAME = "emptied.json"


def mark_of(lake: Lake, path: Path) -> str:
    """A file's name within the home, with the moment it was written."""
    return f"{path.relative_to(lake.home)} {path.stat().st_mtime_ns}"


def read_emptied(lake: Lake) -> set[str]:
    """The marks of the files that were emptied."""
    return set(lake.read_document(NAME) or ())


def add_emptied(lake: Lake, marks: Iterable[str]) -> None:
    """Adds marks, and drops those of files that are gone."""
    known = read_emptied(lake).union(marks)
    if known:
        kept = {mark for mark in known if lake.store.find_entry(mark.rpartition(" ")[0])}
        lake.replace_document(NAME, sorted(kept))
