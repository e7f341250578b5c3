"""The state of each night: its lock of evaluator versions, its accounting, its reports.

One small document a night, read without any heavy import. Which evaluators a night is locked to
and whether it has work to do is `runs.night_locks`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from evals.records import digest
from evals.storage.documents.carried_turns import read_carried
from evals.storage.documents.departures import read_departures
from evals.storage.lake import Lake

DAY = timedelta(days=1)


class OpenNight(NamedTuple):
    """An application's night that was reported while rows might still come."""

    date: date
    app: str
    until: str
    """The moment from which it is final, in ISO form."""


def state(lake: Lake, night: date) -> dict[str, Any]:
    """What is known of a night; empty when it was never opened."""
    return lake.read_document(f"nights/{night}.json") or {}


def update(lake: Lake, night: date, **changes: Any) -> dict[str, Any]:
    """Changes a night's state; side-by-side runs of a night do not lose each other's changes."""
    with lake.lock("night", night.isoformat()):
        merged = {**state(lake, night), **changes}
        lake.replace_document(f"nights/{night}.json", merged)
    return merged


def staged_names(lake: Lake, night: date) -> list[str]:
    """The inbox files a night may have rows of: its own, and those of turns carried over."""
    return sorted({file.stem.split(".")[0] for file in lake.files("staged", [night, night + DAY])})


def door_basis(lake: Lake, night: date) -> list[Any]:
    """The staged files of a night, the turns carried over its midnights, the traces that left."""
    staged = sorted(file.name for file in lake.files("staged", [night]))
    carried = [read_carried(lake, day) for day in (night, night + DAY)]
    left = read_departures(lake, night)
    return [staged, *(found.digest for found in carried if found), *filter(None, [left])]


def as_admitted(lake: Lake, night: date) -> bool:
    """Whether a night's traces are what its staged rows make of them, nothing having come since."""
    return state(lake, night).get("door") == digest(door_basis(lake, night))


def reported(lake: Lake) -> list[date]:
    """The nights that have a state, oldest first."""
    return sorted(date.fromisoformat(path.stem) for path in (lake.home / "nights").glob("*.json"))


def provisional_until(lake: Lake, night: date, app: str, now: datetime) -> str | None:
    """Until when a night's report may still change by rows to come; None where it is final."""
    until = (state(lake, night).get("provisional") or {}).get(app)
    return until if until and now.isoformat() < until else None


def open_nights(lake: Lake) -> list[OpenNight]:
    """The nights that carry the mark of a provisional one, oldest first."""
    return [
        OpenNight(night, app, until)
        for night in reported(lake)
        for app, until in sorted((state(lake, night).get("provisional") or {}).items())
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
