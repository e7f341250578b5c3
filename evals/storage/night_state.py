"""The state of each night: its lock of evaluator versions, its accounting, its reports.

One small document a night, read without any heavy import. Which evaluators a night is locked to
and whether it has work to do is `runs.night_locks`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypedDict, Unpack

from evals.records import JsonLike, digest
from evals.storage.documents.accounts import Account
from evals.storage.documents.carried_turns import read_carried
from evals.storage.documents.departures import read_departures
from evals.storage.lake import Lake

DAY = timedelta(days=1)
FOLDER = "nights"


class OpenNight(NamedTuple):
    """An application's night that was reported while rows might still come."""

    date: date
    app: str
    until: str
    """The moment from which it is final, in ISO form."""


@dataclass(frozen=True)
class NightState:
    """The stored state of a night; fields that were never set have their defaults."""

    admitted: str | None = None
    """A digest of what its validation rested on; empty: it was interrupted; None: it had none."""
    door: str | None = None
    """A digest of the staged rows that were admitted."""
    rows: str | None = None
    """A digest of what became of its rows."""
    apps: Mapping[str, Account] = field(default_factory=dict[str, Account])
    """The account of each application's rows, as a report's `accounting` section has it."""
    evaluators: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """The locked versions by application and evaluator."""
    samples: Mapping[str, Mapping[str, dict[str, Any]]] = field(
        default_factory=dict[str, Mapping[str, dict[str, Any]]]
    )
    """Which traces each locked evaluator looks at, by application; see `Evaluator.look`."""
    reports: Mapping[str, str] = field(default_factory=dict[str, str])
    """The current version of each application's report."""
    seen: str | None = None
    """A digest of what its reports rest on; empty: it is due again; None: it has no report."""
    open: bool = False
    """Whether some calls failed in a way that may pass."""
    awaits: int = 0
    """Answers that come with batches."""
    out: tuple[str, ...] = ()
    """The batches that may hold them."""
    on_time: tuple[str, ...] | None = None
    """The inbox files its first report rested on; None: it has none."""
    provisional: Mapping[str, str] = field(default_factory=dict[str, str])
    """The moment, in ISO form, from which each application's report is final."""
    waiting: tuple[str, ...] = ()
    """Applications that have rows in it and wait until the catalog is mended."""


class NightChanges(TypedDict, total=False):
    """Fields of a night's state to change."""

    admitted: str | None
    door: str | None
    rows: str | None
    apps: Mapping[str, Account]
    evaluators: Mapping[str, Mapping[str, str]]
    samples: Mapping[str, Mapping[str, dict[str, Any]]]
    reports: Mapping[str, str]
    seen: str | None
    open: bool
    awaits: int
    out: tuple[str, ...]
    on_time: tuple[str, ...] | None
    provisional: Mapping[str, str]
    waiting: tuple[str, ...]


FIELDS = tuple(one.name for one in fields(NightState))


def read_state(lake: Lake, night: date) -> NightState:
    """Reads a night's state."""
    found: dict[str, Any] = lake.read_document(f"{FOLDER}/{night}.json") or {}
    known = {name: found[name] for name in FIELDS if found.get(name) is not None}
    lists = {name: tuple(known[name]) for name in ("out", "on_time", "waiting") if name in known}
    values: dict[str, Any] = {**known, **lists}
    return NightState(**values)


def update_state(lake: Lake, night: date, **changes: Unpack[NightChanges]) -> NightState:
    """Changes fields of a night's state; side-by-side runs do not lose each other's changes."""
    with lake.lock("night", night.isoformat()):
        state = replace(read_state(lake, night), **changes)
        noted = {name: getattr(state, name) for name in FIELDS}
        kept = {name: value for name, value in noted.items() if value is not None}
        lake.replace_document(f"{FOLDER}/{night}.json", kept)
    return state


def staged_names(lake: Lake, night: date) -> list[str]:
    """The inbox files a night may have rows of: its own, and those of turns carried over."""
    return sorted(
        {file.stem.split(".")[0] for file in lake.list_files("staged", [night, night + DAY])}
    )


def list_staged_inputs(lake: Lake, night: date) -> list[JsonLike]:
    """Lists a night's staged files, the turns carried over its midnights, the traces that left."""
    staged = sorted(file.name for file in lake.list_files("staged", [night]))
    carried = [read_carried(lake, day) for day in (night, night + DAY)]
    left = read_departures(lake, night)
    return [staged, *(found.digest for found in carried if found), *filter(None, [left])]


def is_admission_current(lake: Lake, night: date) -> bool:
    """Whether a night was admitted from all rows that are staged now."""
    return read_state(lake, night).door == digest(list_staged_inputs(lake, night))


def list_stored_nights(lake: Lake) -> list[date]:
    """Lists the nights that have a state, oldest first."""
    names = lake.store.list_names(f"{FOLDER}/*.json")
    return [date.fromisoformat(name[len(FOLDER) + 1 : -len(".json")]) for name in names]


def provisional_until(lake: Lake, night: date, app: str, now: datetime) -> str | None:
    """Until when a night's report may still change by rows to come; None where it is final."""
    until = read_state(lake, night).provisional.get(app)
    return until if until and now.isoformat() < until else None


def open_nights(lake: Lake) -> list[OpenNight]:
    """The nights that carry the mark of a provisional one, oldest first."""
    return [
        OpenNight(night, app, until)
        for night in list_stored_nights(lake)
        for app, until in sorted(read_state(lake, night).provisional.items())
    ]


def consecutive(nights: Sequence[date]) -> list[tuple[date, date]]:
    """Nights as ranges without a gap, oldest first."""
    ranges: list[tuple[date, date]] = []
    for night in sorted(nights):
        if ranges and (night - ranges[-1][1]).days == 1:
            ranges[-1] = (ranges[-1][0], night)
        else:
            ranges.append((night, night))
    return ranges
