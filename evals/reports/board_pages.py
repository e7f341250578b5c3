"""Writes the board over the newest nights, and a page for each month before them.

A month's page is written again only when a report or a missing night of it changed, so that what a
night costs does not grow with the home. What is on the pages is in `pages`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from evals.records import digest
from evals.reports.archive import read_report
from evals.reports.linked_pages import write_application_evaluators, write_application_pages
from evals.reports.pages import board, cost
from evals.reports.report import Report
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.due_analyses import read_due_analyses
from evals.storage.documents.failed_sources import read_failed_sources
from evals.storage.documents.missing_nights import MissingNight, read_missing_nights
from evals.storage.lake import Lake
from evals.storage.report_files import (
    ReportVersion,
    has_page,
    read_month_page,
    write_board_page,
    write_linked_page,
    write_month_page,
)

RECENT = 28
"""Nights on the board."""
LAYOUT = 1
"""Raised when months have to be rendered anew."""


class Shown(NamedTuple):
    """What the board and the months show."""

    versions: Sequence[ReportVersion]
    """The current reports, oldest first."""
    missing: Sequence[MissingNight]

    def list_nights(self) -> list[date]:
        """Returns the nights that have a report or owe one, oldest first."""
        nights = {row.night for row in self.versions} | {row.date for row in self.missing}
        return sorted(nights)

    def select(self, first: date, last: date) -> Shown:
        """Returns the nights of a range, with the report of each application before it."""
        before = {row.app: row for row in self.versions if row.night < first}
        own = [row for row in self.versions if first <= row.night <= last]
        missing = [row for row in self.missing if first <= row.date <= last]
        return Shown([*before.values(), *own], missing)


def write_board(lake: Lake, run: Mapping[str, object] = MappingProxyType({})) -> Path:
    """Writes the board over the newest nights, and the months that changed."""
    shown = Shown(list(list_current(lake)), read_missing_nights(lake))
    nights = shown.list_nights()
    first = nights[-RECENT:][0] if nights else date.min
    months = write_months(lake, shown, [night for night in nights if night < first])
    recent = shown.select(first, date.max)
    reports = read_reports(lake, recent.versions)
    shown_incidents = write_application_pages(lake, read_newest(lake, shown.versions, reports))
    html = board.render_board(
        reports,
        run=dict(run),
        provisional=[
            {**night._asdict(), "date": night.date.isoformat()}
            for night in night_state.list_provisional_nights(lake)
        ],
        missing=recent.missing,
        failed_sources=read_failed_sources(lake),
        due_analyses=read_due_analyses(lake),
        first=first,
        months=months,
        incidents=shown_incidents,
        has_page=partial(has_page, lake),
    )
    return write_board_page(lake, html)


def read_newest(
    lake: Lake, versions: Iterable[ReportVersion], at_hand: Iterable[Report]
) -> list[Report]:
    """Reads the newest reports of each application, also where nights since are missing."""
    by_version = {ReportVersion(one.date, one.app, one.version): one for one in at_hand}
    by_app: dict[str, list[ReportVersion]] = defaultdict(list)
    for row in versions:
        by_app[row.app].append(row)
    newest = [row for rows in by_app.values() for row in rows[-RECENT:]]
    unread = read_reports(lake, (row for row in newest if row not in by_version))
    return [*(by_version[row] for row in newest if row in by_version), *unread]


def rewrite_evaluators(lake: Lake) -> None:
    """Writes the pages of evaluators anew, after queues, looks or candidates changed."""
    write_application_evaluators(lake, read_newest(lake, list(list_current(lake)), []))


def write_cost(lake: Lake, catalog: Catalog) -> None:
    """Writes the page of what judging cost in the newest nights."""
    shown = Shown(list(list_current(lake)), [])
    nights = shown.list_nights()[-RECENT:]
    own = [row for row in shown.versions if nights and row.night >= nights[0]]
    budgets = {None: catalog.budget} | {name: app.budget for name, app in catalog.apps.items()}
    page = cost.render_cost(read_reports(lake, own), catalog.models, budgets)
    write_linked_page(lake, board.COST, page)


def list_current(lake: Lake) -> Iterable[ReportVersion]:
    """Yields the current version of every report, oldest first."""
    for night in night_state.list_stored_nights(lake):
        reports = night_state.read_intact_state(lake, night).reports
        yield from (ReportVersion(night, app, reports[app]) for app in sorted(reports))


def read_reports(lake: Lake, versions: Iterable[ReportVersion]) -> list[Report]:
    """Reads versions of reports; leaves out those that cannot be read."""
    reports = (read_report(lake, row.night, row.app, row.version) for row in versions)
    return [report for report in reports if report]


def write_months(lake: Lake, shown: Shown, nights: Sequence[date]) -> list[date]:
    """Writes the pages of the months of some nights that changed; returns the months."""
    by_month: dict[date, list[date]] = defaultdict(list)
    wanted = {night.replace(day=1) for night in nights}
    for night in shown.list_nights():
        if night.replace(day=1) in wanted:
            by_month[night.replace(day=1)].append(night)
    for month, own in by_month.items():
        part = shown.select(month, own[-1])
        stamp = digest([LAYOUT, *map(str, part.versions), *map(str, part.missing)])
        if f'content="{stamp}"' not in read_month_page(lake, month)[:2000]:
            reports = read_reports(lake, part.versions)
            html = board.render_month(reports, month=month, missing=part.missing, stamp=stamp)
            write_month_page(lake, month, html)
    return sorted(by_month, reverse=True)
