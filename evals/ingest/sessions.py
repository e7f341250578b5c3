"""Sessions that go on past midnight: the night whose traces they change is known by this.

Which turns are carried over is `rows`' to say; here it is noted, so that a night is opened again
only where it gained or lost one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from evals.ingest.staged_rows import find_carried_rows
from evals.records import digest
from evals.storage.documents.carried_turns import CarriedTurns, write_carried
from evals.storage.lake import Lake
from evals.storage.night_state import DAY


def record_carried(lake: Lake, touched: Iterable[date]) -> None:
    """Notes what is carried over the midnights around some nights that got rows."""
    for night in sorted({near for one in touched for near in (one, one + DAY)}):
        found = [
            (name.rpartition("/")[2], row, text)
            for name, row, text in find_carried_rows(lake, night)
        ]
        write_carried(lake, night, CarriedTurns(len(found), digest(found)) if found else None)
