"""The size, time and hash of each inbox file by path: only a changed file is hashed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from evals.storage.lake import Lake

NAME = "quarantine/inbox_stamps.json"
"""In a restricted folder, since a path may name a person."""


class FileStamp(NamedTuple):
    """A file as it was when it was hashed."""

    size: int
    changed_ns: int
    """When it was last written, in nanoseconds since 1970."""
    sha256: str


def read_stamps(lake: Lake) -> dict[str, FileStamp]:
    """Reads the stamps by absolute path."""
    return lake.read_document(NAME, parse_stamps) or {}


def parse_stamps(rows: Mapping[str, tuple[int, int, str]]) -> dict[str, FileStamp]:
    """Returns the document as records."""
    return {path: FileStamp(*row) for path, row in rows.items()}


def write_stamps(lake: Lake, stamps: Mapping[str, FileStamp]) -> None:
    """Replaces all stamps."""
    lake.replace_document(NAME, stamps)
