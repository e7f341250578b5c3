"""Refused rows: where they rest, and how many of them a night, or no night, has.

Why a row is refused is told by the importers and by the catalog's expectations.
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
"""Rows that did not become a trace, by their file's hash and the reason code."""


def read_unreadable(lake: Lake) -> Iterator[Refusal]:
    """The rows that could not be read as a trace, file by file."""
    for sha in list_refused_files(lake):
        for row in read_refused(lake, sha):
            yield dataclasses.replace(row, file_sha=sha)


def count_unreadable(lake: Lake, nights: set[date]) -> dict[date, dict[str, UnreadableCounts]]:
    """Rows refused before validation whose application and night are known."""
    found: dict[date, dict[str, UnreadableCounts]] = defaultdict(lambda: defaultdict(Counter))
    for row in read_unreadable(lake) if nights else ():
        if row.app and row.night and row.night in nights:
            found[row.night][row.app][row.file_sha, row.code] += 1
    return found


def read_refusals(lake: Lake) -> list[Refusal]:
    """Everything in quarantine: unreadable rows by file, then refused rows by night."""
    return [*read_unreadable(lake), *lake.read("quarantine")]
