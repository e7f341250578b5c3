"""The forgotten people and traces, as keyed hashes, and the nights closed by retention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypedDict

from evals.storage.lake import Lake

NAME = "forgotten.json"


@dataclass(frozen=True)
class Tombstones:
    """Traces, users and nights that an import refuses."""

    traces: frozenset[str] = frozenset()
    """Keyed hashes of trace ids."""
    users: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """The time up to which each hashed user is forgotten."""
    nights: frozenset[date] = frozenset()
    """Nights whose texts the retention rule deleted."""


class TombstonesRow(TypedDict, total=False):
    """The document as JSON; an empty part is left out."""

    traces: list[str]
    users: dict[str, str]
    nights: list[str]


def read_tombstones(lake: Lake) -> Tombstones:
    """Reads the home's tombstones."""
    return lake.read_document(NAME, parse_tombstones) or Tombstones()


def parse_tombstones(row: TombstonesRow) -> Tombstones:
    """Returns the document as a record."""
    users = {user: datetime.fromisoformat(at) for user, at in row.get("users", {}).items()}
    nights = frozenset(date.fromisoformat(night) for night in row.get("nights", ()))
    return Tombstones(frozenset(row.get("traces", ())), users, nights)


def add_forgotten(lake: Lake, traces: Iterable[str], users: Iterable[str], until: datetime) -> None:
    """Adds hashed traces for ever, and hashed users up to a time; survives a power cut."""
    before = read_tombstones(lake)
    latest = dict(before.users)
    for user in users:
        latest[user] = max(until, latest.get(user, until))
    write_tombstones(lake, replace(before, traces=before.traces.union(traces), users=latest))


def add_closed_nights(lake: Lake, nights: Iterable[date]) -> None:
    """Adds nights for which no further trace is accepted."""
    before = read_tombstones(lake)
    write_tombstones(lake, replace(before, nights=before.nights.union(nights)))


def write_tombstones(lake: Lake, tombstones: Tombstones) -> None:
    """Replaces all tombstones."""
    row = {
        "traces": sorted(tombstones.traces),
        "users": {user: at.isoformat() for user, at in tombstones.users.items()},
        "nights": sorted(tombstones.nights),
    }
    lake.replace_document(NAME, {key: value for key, value in row.items() if value}, durable=True)
