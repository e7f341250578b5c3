"""The page of an incident: what fell, since when, why, what to read, what was done.

Selects from the reports of its application; computes no figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.incident_rows import IncidentRow, Involved
from evals.reports.pages.answers import name_list
from evals.reports.pages.brief import MOST, ToRead, list_causes, list_slices
from evals.reports.pages.charts import Trend, collect_points, draw_trend, make_scale
from evals.reports.pages.environment import load_environment
from evals.reports.pages.marks import get_verdict, locate_page
from evals.reports.pages.trace_links import HasPage, assume_page
from evals.reports.phrases import count_in_words, format_day, join_names
from evals.reports.report import Report
from evals.reports.sections import incidents, results
from evals.storage.answer_pages import LISTS

FOLDER = "incidents"
SIZE = (560, 120)


STATES = {
    "open": "open",
    "ongoing": "open",
    "improved": "open, half undone",
    "recovered": "recovered",
    "accepted": "accepted",
}


class Reported(NamedTuple):
    """An incident as the last report that has it shows it."""

    row: IncidentRow
    report: Report
    absent: date | None = None
    """The night of the application's last report, which lacks it though it was open."""

    @property
    def is_open(self) -> bool:
        """Whether the application's last report has it, and has it open."""
        return self.row.is_open and self.absent is None

    @property
    def state(self) -> str:
        """Its state in words."""
        return "no longer measured" if self.absent else STATES[self.row.state]


class NightLink(NamedTuple):
    """A night of the incident, with its page."""

    report: Report
    verdict: str
    href: str | None


def list_incidents(reports: Sequence[Report]) -> dict[str, Reported]:
    """Lists the incidents of an application's reports, oldest first, by name."""
    measured = [report for report in reports if not report.is_refused]
    last = measured[-1].date if measured else None
    rows = {row.name: (row, one) for one in measured for row in one[incidents.SECTION].rows}
    return {
        name: Reported(row, one, last if row.is_open and one.date != last else None)
        for name, (row, one) in rows.items()
    }


def locate_incident(name: str) -> str | None:
    """Returns the path of an incident's page below the board; None if its name is not plain."""
    from evals.specs import NAME

    return f"{FOLDER}/{name}.html" if re.fullmatch(NAME, name, re.ASCII) else None


def render_incident(
    found: Reported, reports: Sequence[Report], has_page: HasPage = assume_page
) -> str:
    """Renders the page of an incident.

    Args:
        found: the incident.
        reports: the reports of its application that are at hand, oldest first.
        has_page: whether a page below the board exists.
    """
    row, report = found.row, found.report
    keys = {(rate.dimension, rate.evaluator) for rate in row.rates}
    first = next((one for one in reports if one.date == row.first), report)
    within = [one for one in reports if row.first <= one.date <= row.last]
    return load_environment().get_template("incident.html").render(
        row=row,
        report=report,
        found=found,
        sentence=describe_incident(found),
        charts=[(rate, draw_rate(rate, reports)) for rate in row.rates],
        whom=list_slices(report, {dimension for dimension, _ in keys}),
        why=list_causes(first, keys) or list_causes(report, keys),
        read=list_lists(report, keys, has_page),
        nights=[NightLink(one, get_verdict(one), locate_page(one)) for one in within],
        most=MOST,
    )  # fmt: skip


def describe_incident(found: Reported) -> str:
    """Describes an incident in a sentence with where it is now."""
    row = found.row
    names = join_names([rate.name for rate in row.rates])
    nights = (row.last - row.first).days + 1
    counted = "one night" if nights == 1 else f"{count_in_words(nights)} nights"
    verb = "have" if len(row.rates) > 1 else "has"
    since = (
        f"{names[:1].upper()}{names[1:]} {verb} failed more since {format_day(row.first, 'plain')}"
    )
    if found.absent:
        gone = f"none of it is measured since {format_day(found.absent, 'plain')}"
        return f"{since}, for {counted}; {gone}."
    if not row.is_open:
        return f"{since}, for {counted}; {row.state} on {format_day(row.last, 'plain')}."
    half = ", half undone by now" if row.state == "improved" else ""
    owner = f"; owner {row.owner.replace('team:', 'team ')}" if row.owner else ""
    return f"{since}, open for {counted}{half}{owner}."


def draw_rate(rate: Involved, reports: Sequence[Report]) -> Trend | None:
    """Draws a rate over the nights at hand, with the one before the incident as its baseline."""
    points = collect_points(reports, (rate.dimension, rate.evaluator), rate.slice)
    if not any(point.rate is not None for point in points):
        return None
    shown = (value for p in points for value in (p.rate, p.low, p.high))
    span = make_scale([*shown, rate.before], SIZE[1])
    return draw_trend(points, SIZE, span.low, span.high, rate.before)


def list_lists(report: Report, keys: set[tuple[str, str]], has_page: HasPage) -> list[ToRead]:
    """Lists the failing answers of the last night, by dimension."""
    folder = f"{report.date.isoformat()}/{report.app}/{LISTS}"
    return [
        ToRead(row.dimension, row.failed, f"../{place}")
        for row in report[results.SECTION]
        if row.is_whole and row.failed and row.key in keys and locate_page(report)
        if has_page(place := f"{folder}/{name_list(row.dimension)}")
    ]
