"""Whom the home has forgotten, as keyed hashes, and which nights are too old to be opened again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypedDict

from evals.storage.lake import Lake

NAME = "forgotten.json"


@dataclass(frozen=True)
class Tombstones:
    """What a later import refuses."""

    traces: frozenset[str] = frozenset()
    """Keyed hashes of trace ids."""
    users: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """Hashed user id to the moment up to which it is forgotten."""
    nights: frozenset[date] = frozenset()
    """Nights whose texts have gone by the retention rule."""


class TombstonesRow(TypedDict, total=False):
    """The document as JSON; an empty part is left out."""

    traces: list[str]
    users: dict[str, str]
    nights: list[str]


def read_tombstones(lake: Lake) -> Tombstones:
    """As the home remembers them."""
    known: TombstonesRow = lake.read_document(NAME) or {}
    users = {user: datetime.fromisoformat(at) for user, at in known.get("users", {}).items()}
    nights = frozenset(date.fromisoformat(night) for night in known.get("nights", ()))
    return Tombstones(frozenset(known.get("traces", ())), users, nights)


def add_forgotten(lake: Lake, traces: Iterable[str], users: Iterable[str], until: datetime) -> None:
    """Adds hashed traces for ever, and hashed users up to a moment; no power cut loses it."""
    known = read_tombstones(lake)
    latest = dict(known.users)
    for user in users:
        latest[user] = max(until, latest.get(user, until))
    write_tombstones(lake, replace(known, traces=known.traces.union(traces), users=latest))


def add_closed_nights(lake: Lake, nights: Iterable[date]) -> None:
    """Adds nights of which no trace is taken in any more."""
    known = read_tombstones(lake)
    write_tombstones(lake, replace(known, nights=known.nights.union(nights)))


def write_tombstones(lake: Lake, found: Tombstones) -> None:
    """Replaces them all."""
    row = {
        "traces": sorted(found.traces),
        "users": {user: at.isoformat() for user, at in found.users.items()},
        "nights": sorted(found.nights),
    }
    lake.replace_document(NAME, {key: value for key, value in row.items() if value}, durable=True)
