"""Reads and counts the rows in quarantine.

Why a row is refused is decided by the importers and the catalog's expectations.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date

from evals.records import Refusal
from evals.storage.lake import Lake
from evals.storage.refused_rows import list_refused_files, read_refused

UnreadableCounts = Counter[tuple[str, str]]
"""Rows that could not be read as a trace, by their file's hash and the reason code."""


def read_unreadable(lake: Lake) -> Iterator[Refusal]:
    """Yields the rows that could not be read as a trace, file by file."""
    for sha in list_refused_files(lake):
        for row in read_refused(lake, sha):
            yield dataclasses.replace(row, file_sha=sha)


def count_unreadable(lake: Lake, nights: set[date]) -> dict[date, dict[str, UnreadableCounts]]:
    """Counts the rows refused before validation whose application and night are known."""
    counts: dict[date, dict[str, UnreadableCounts]] = defaultdict(lambda: defaultdict(Counter))
    for row in read_unreadable(lake) if nights else ():
        if row.app and row.night and row.night in nights:
            counts[row.night][row.app][row.file_sha, row.code] += 1
    return counts


def read_refusals(lake: Lake) -> list[Refusal]:
    """Reads all of quarantine: unreadable rows by file, then refused rows by night."""
    return [*read_unreadable(lake), *lake.read("quarantine")]
