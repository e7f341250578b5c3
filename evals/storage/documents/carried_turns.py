"""The number of session turns carried over each midnight, and their digest."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake


class CarriedTurns(NamedTuple):
    """The turns of unfinished sessions that move to the night after a midnight."""

    carried: int
    digest: str


def read_carried(lake: Lake, midnight: date) -> CarriedTurns | None:
    """Reads what is carried over a midnight; None for nothing."""
    return lake.read_document(f"sessions/{midnight}.json", lambda row: CarriedTurns(**row))


def write_carried(lake: Lake, midnight: date, carried: CarriedTurns | None) -> None:
    """Replaces what is carried over a midnight."""
    name = f"sessions/{midnight}.json"
    if carried is None:
        lake.store.delete(name)
    else:
        lake.replace_document(name, carried._asdict())
