"""Reads stored reports: one version, the current ones, or those before a night.

`storage` locates their files.
"""

from __future__ import annotations

from datetime import date, timedelta

from evals.reports.report import Report
from evals.storage import night_state, report_files
from evals.storage.lake import Lake
from evals.storage.report_files import ReportVersion

PAGE_NIGHTS = 14


def read_report(lake: Lake, night: date, app: str, version: str) -> Report | None:
    """Reads one version of a report; None where there is none that can be read."""
    body = report_files.read_intact_report(lake, ReportVersion(night, app, version))
    return Report.from_json(body) if body else None


def read_current_reports(lake: Lake) -> list[Report]:
    """Reads the current reports of all applications and nights, oldest first."""
    return [Report.from_json(body) for body in report_files.read_current_reports(lake)]


def read_last_reports(lake: Lake) -> dict[str, Report]:
    """Reads the last report of each application that can be read."""
    found: dict[str, Report] = {}
    for night in reversed(night_state.list_stored_nights(lake)):
        for app, version in night_state.read_intact_state(lake, night).reports.items():
            report = None if app in found else read_report(lake, night, app, version)
            if report:
                found[app] = report
    return found


def read_last_report(lake: Lake, app: str) -> Report | None:
    """Reads the last report of an application that can be read; None where there is none."""
    for night in reversed(night_state.list_stored_nights(lake)):
        version = night_state.read_intact_state(lake, night).reports.get(app)
        report = read_report(lake, night, app, version) if version else None
        if report:
            return report
    return None


def read_earlier_reports(lake: Lake, app: str, night: date) -> list[Report]:
    """Reads the reports of the nights before, oldest first."""
    days = (night - timedelta(days=back) for back in range(PAGE_NIGHTS, 0, -1))
    versions = ((day, night_state.read_intact_state(lake, day).reports.get(app)) for day in days)
    reports = (read_report(lake, day, app, version) for day, version in versions if version)
    return [report for report in reports if report]
