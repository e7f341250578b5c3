"""The names of incidents in stored reports: read for a replay, added once a report is stored.

How an incident is named is in `decide.incidents`.
"""

from __future__ import annotations

from collections.abc import Iterable

from evals.reports.archive import read_current_reports
from evals.reports.decide.incident_records import KnownName
from evals.reports.report import Report
from evals.reports.sections import incidents
from evals.storage.documents.incident_names import IncidentName, add_names, read_names
from evals.storage.lake import Lake


def list_known_names(lake: Lake, app: str) -> list[KnownName]:
    """Lists the names that an application's incidents have; those of older homes from reports."""
    stored = read_names(lake)
    every = list_names(read_current_reports(lake)) if stored is None else stored
    return [KnownName(one.name, one.first) for one in every if one.app == app]


def remember_names(lake: Lake, report: Report) -> None:
    """Adds the names of a report's incidents to those that are known."""
    is_new = read_names(lake) is None
    add_names(lake, list_names([*(read_current_reports(lake) if is_new else ()), report]))


def list_names(reports: Iterable[Report]) -> list[IncidentName]:
    """Lists the incidents of reports, each as the first of them has it."""
    names: dict[tuple[str, str], IncidentName] = {}
    for report in reports:
        for row in report[incidents.SECTION].rows:
            names.setdefault((report.app, row.name), IncidentName(report.app, row.name, row.first))
    return list(names.values())
