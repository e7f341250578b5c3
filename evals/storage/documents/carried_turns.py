"""How many turns of running sessions were carried over each midnight, and a digest of them."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from evals.storage.lake import Lake


class CarriedTurns(NamedTuple):
    """The turns carried over the midnight that ends a night's day before."""

    carried: int
    digest: str


def read_carried(lake: Lake, midnight: date) -> CarriedTurns | None:
    """What is carried over a midnight; None for nothing."""
    row = lake.read_document(f"sessions/{midnight}.json")
    return None if row is None else CarriedTurns(**row)


def write_carried(lake: Lake, midnight: date, carried: CarriedTurns | None) -> None:
    """Replaces what is carried over a midnight."""
    name = f"sessions/{midnight}.json"
    if carried is None:
        lake.store.delete(name)
    else:
        lake.replace_document(name, carried._asdict())
