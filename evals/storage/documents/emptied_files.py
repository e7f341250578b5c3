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
    return lake.read_document(NAME, parse_marks) or set()


def parse_marks(rows: list[str]) -> set[str]:
    """Returns the marks of the document."""
    return {mark for mark in rows if mark.rpartition(" ")}


def add_emptied(lake: Lake, marks: Iterable[str]) -> None:
    """Adds marks, and drops those of deleted files."""
    every = read_emptied(lake).union(marks)
    if every:
        current = {mark for mark in every if lake.store.find_entry(mark.rpartition(" ")[0])}
        lake.replace_document(NAME, sorted(current))
