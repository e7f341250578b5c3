"""Nights that become final: their mark is taken off, and what they say may alarm somebody.

Nothing is measured anew and no report is written; a row that comes later opens its night again.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, NamedTuple

from evals.reports import assembly, pages
from evals.storage import night_state
from evals.storage.lake import Lake


class Final(NamedTuple):
    """An application's night that has just become final."""

    date: date
    app: str
    gate: str
    """The outcome of its report's gate."""
    sentence: str
    refused: bool


def close_nights(lake: Lake, now: datetime) -> list[Final]:
    """Takes the mark off the nights whose watermark has passed; each is returned once."""
    over = [one for one in night_state.open_nights(lake) if one.until <= now.isoformat()]
    closed = [final for one in over if (final := closing(lake, one))]
    if over:
        assembly.write_board(lake)
    return closed


def closing(lake: Lake, one: night_state.OpenNight) -> Final | None:
    """Ends one night's provisional time; None where somebody else just did."""
    with lake.lock("closing", one.date.isoformat()):
        known = night_state.state(lake, one.date)
        still = dict(known.get("provisional") or {})
        if still.get(one.app) != one.until:
            return None
        version = known["reports"][one.app]
        body = lake.report(one.date, one.app, version)
        if body:
            past = assembly.earlier(lake, one.app, one.date)
            page = pages.render_night(body, history=past, run=beside(lake, one, version))
            lake.write_page(one.date, one.app, version, page)
        del still[one.app]
        night_state.update(lake, one.date, provisional=still)
    if body is None:
        return None
    refused = body["status"] == "refused"
    return Final(one.date, one.app, body["gate"]["outcome"], body["sentence"], refused)


def beside(lake: Lake, one: night_state.OpenNight, version: str) -> dict[str, Any]:
    """What stands beside a report: its run, and the pins that were about to end."""
    path = lake.report_folder(one.date, one.app) / version / "run.json"
    return json.loads(path.read_bytes()) if path.exists() else {}
