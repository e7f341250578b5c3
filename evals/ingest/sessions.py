"""Records the turns of sessions that continue past midnight.

Which turns are carried over is decided in `staged_rows`. The record shows which nights gained or
lost turns and have to be validated again.
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
    """Records the turns carried over the midnights around some nights that got rows."""
    for night in sorted({near for day in touched for near in (day, day + DAY)}):
        carried = [
            (name.rpartition("/")[2], row, text)
            for name, row, text in find_carried_rows(lake, night)
        ]
        write_carried(lake, night, CarriedTurns(len(carried), digest(carried)) if carried else None)
