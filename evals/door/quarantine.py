"""Refused rows: where they rest.

Why a row is refused is told by the importers and by `expectations`.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date

from evals.lake import Lake, read_parquet
from evals.records import Refusal


def unreadable(lake: Lake, nights: set[date]) -> dict[tuple[str, date], Counter[str]]:
    """Rows refused before validation whose application and night are known, by reason code."""
    found: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)
    for file in sorted((lake.home / "quarantine" / "files").glob("*.parquet")):
        for row in read_parquet(Refusal, file):
            if row.app and row.night and row.night in nights:
                found[row.app, row.night][row.code] += 1
    return found


def refusals(lake: Lake) -> list[Refusal]:
    """Everything in quarantine: unreadable rows by file, then refused rows by night."""
    files = sorted((lake.home / "quarantine" / "files").glob("*.parquet"))
    unreadable = itertools.chain.from_iterable(read_parquet(Refusal, file) for file in files)
    return [*unreadable, *lake.read("quarantine")]
