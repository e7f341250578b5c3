"""The forgotten people and traces, as keyed hashes, and the nights closed by retention.

Written twice: a home that lost the list would take in again what it has deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypedDict

from evals.storage.damage import report
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake

NAME = "forgotten.json"
COPY = "forgotten.copy.json"
LOCK = "tombstones"
"""The lock that whoever adds one holds."""


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
    """Reads the home's tombstones; from their copy if the document is damaged or missing.

    Raises:
        DamagedFileError: it is damaged, and there is no copy.
    """
    damage = None
    try:
        found = read_one(lake, NAME)
    except DamagedFileError as error:
        found, damage = None, error
    if found is None and (found := read_one(lake, COPY)):
        state = "is damaged" if damage else "is missing"
        report(f"{lake.store.path(NAME)} {state}; its copy {COPY} is read in its place")
    if found is None and damage:
        raise damage
    return found or Tombstones()


def read_one(lake: Lake, name: str) -> Tombstones | None:
    """Reads the document or its copy, by its name; None if missing.

    Raises:
        DamagedFileError: it is damaged.
    """
    return lake.read_document(name, parse_tombstones)


def mend_tombstones(lake: Lake) -> None:
    """Writes the document again from its copy, or the copy from the document."""
    tombstones = read_tombstones(lake)
    if tombstones == Tombstones():
        return
    for name in (NAME, COPY):
        try:
            is_current = read_one(lake, name) == tombstones
        except DamagedFileError:
            is_current = False
        if not is_current:
            write_document(lake, name, tombstones)


def parse_tombstones(row: TombstonesRow) -> Tombstones:
    """Returns the document as a record."""
    users = {user: datetime.fromisoformat(at) for user, at in row.get("users", {}).items()}
    nights = frozenset(date.fromisoformat(night) for night in row.get("nights", ()))
    return Tombstones(frozenset(row.get("traces", ())), users, nights)


def add_forgotten(lake: Lake, traces: Iterable[str], users: Iterable[str], until: datetime) -> None:
    """Adds hashed traces for ever, and hashed users up to a time; survives a power cut."""
    with lake.lock(LOCK):
        before = read_tombstones(lake)
        latest = dict(before.users)
        for user in users:
            latest[user] = max(until, latest.get(user, until))
        write_tombstones(lake, replace(before, traces=before.traces.union(traces), users=latest))


def add_closed_nights(lake: Lake, nights: Iterable[date]) -> None:
    """Adds nights for which no further trace is accepted."""
    with lake.lock(LOCK):
        before = read_tombstones(lake)
        write_tombstones(lake, replace(before, nights=before.nights.union(nights)))


def write_tombstones(lake: Lake, tombstones: Tombstones) -> None:
    """Replaces all tombstones."""
    for name in (COPY, NAME):
        write_document(lake, name, tombstones)


def write_document(lake: Lake, name: str, tombstones: Tombstones) -> None:
    """Writes the document or its copy; survives a power cut."""
    row = {
        "traces": sorted(tombstones.traces),
        "users": {user: at.isoformat() for user, at in tombstones.users.items()},
        "nights": sorted(tombstones.nights),
    }
    lake.replace_document(name, {key: value for key, value in row.items() if value}, durable=True)
