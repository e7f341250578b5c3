"""Nights that become final: their provisional mark is removed, and their verdicts may alarm.

Nothing is measured again and no report is written; a later row opens its night again.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from evals.reports import board_pages
from evals.reports.archive import read_report
from evals.reports.conclusion import Outcome
from evals.reports.night_pages import render_stored
from evals.storage import night_state
from evals.storage.lake import Lake
from evals.storage.report_files import write_page


class FinalNight(NamedTuple):
    """An application's night that has just become final."""

    date: date
    app: str
    gate: Outcome
    """The outcome of its report's gate."""
    sentence: str
    refused: bool


def close_nights(lake: Lake, now: datetime) -> list[FinalNight]:
    """Removes the provisional mark of nights whose watermark has passed; returns each once."""
    over = [
        night
        for night in night_state.list_provisional_nights(lake)
        if night.until <= now.isoformat()
    ]
    closed = [final for night in over if (final := close_night(lake, night))]
    if over:
        board_pages.write_board(lake)
    return closed


def close_night(lake: Lake, night: night_state.ProvisionalNight) -> FinalNight | None:
    """Makes one night final; returns None where another process just did."""
    with lake.lock("closing", night.date.isoformat()):
        state = night_state.read_state(lake, night.date)
        still = dict(state.provisional)
        if still.get(night.app) != night.until:
            return None
        version = state.reports[night.app]
        report = read_report(lake, night.date, night.app, version)
        if report:
            html = render_stored(lake, report)
            write_page(lake, night.date, night.app, version, html)
        del still[night.app]
        night_state.update_state(lake, night.date, provisional=still)
    if report is None:
        return None
    return FinalNight(
        night.date, night.app, report.gate.outcome, report.sentence, report.is_refused
    )
