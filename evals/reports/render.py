"""Renders the pages of stored reports anew, so that old nights look and link as new ones do.

Reads reports and tables; measures nothing, and changes no report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType

from evals.reports import board_pages, night_pages
from evals.reports.archive import read_earlier_reports, read_report
from evals.reports.board_pages import list_current
from evals.reports.linked_pages import write_incidents
from evals.reports.pages.night_markdown import render_markdown
from evals.reports.report import Report
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.storage.report_files import ReportVersion, write_markdown


def render_reports(
    lake: Lake,
    first: date = date.min,
    last: date = date.max,
    app: str | None = None,
    run: Mapping[str, object] = MappingProxyType({}),
    catalog: Catalog | None = None,
) -> Iterator[ReportVersion]:
    """Renders the nights of a range, then the board; yields each current report when it is done.

    Args:
        lake: the home.
        first: the first night.
        last: the last night.
        app: one application; None: all.
        run: what the board shows of the last run.
        catalog: has right answers and templates; None: answers are shown without.
    """
    with lake.lock_home():
        for row in list_current(lake):
            if first <= row.night <= last and app in (None, row.app):
                report = read_report(lake, *row)
                if report:
                    render_night(lake, report, catalog)
                    if last == date.max:  # an incident is shown as its last night has it
                        earlier = read_earlier_reports(lake, row.app, row.night)
                        write_incidents(lake, [*earlier, report])
                    yield row
        board_pages.write_board(lake, run)


def render_night(lake: Lake, report: Report, catalog: Catalog | None) -> None:
    """Renders all pages of an application's night: its answers, its topics, all versions."""
    night_pages.write_answers(lake, report, catalog)
    night_pages.render_versions(lake, report.date, report.app)
    write_markdown(lake, report.date, report.app, report.version, render_markdown(report))
