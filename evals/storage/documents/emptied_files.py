"""The files of refused rows whose bytes the retention rule deleted, each as it then was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evals.storage.lake import Lake

NAME = "emptied.json"


def build_mark(lake: Lake, path: Path) -> str:
    """Returns a file's name within the home with the time it was written."""
    return f"{path.relative_to(lake.home)} {path.stat().st_mtime_ns}"


def read_emptied(lake: Lake) -> set[str]:
    """Reads the marks of the files that were emptied."""
    return set(lake.read_document(NAME) or ())


def add_emptied(lake: Lake, marks: Iterable[str]) -> None:
    """Adds marks, and drops those of deleted files."""
    every = read_emptied(lake).union(marks)
    if every:
        current = {mark for mark in every if lake.store.find_entry(mark.rpartition(" ")[0])}
        lake.replace_document(NAME, sorted(current))
