"""The versions of a night's report: when each was written, and what it changed.

What differs between two of them is in `differences`.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from evals.reports.archive import read_report
from evals.reports.differences import Difference, list_differences
from evals.reports.report import Report
from evals.storage.lake import Lake
from evals.storage.report_files import ReportVersion, order_versions, read_written_at


class NightVersion(NamedTuple):
    """One version of a night's report."""

    version: str
    before: str
    """The version before; empty for the first."""
    written_at: str
    """In ISO form; empty where its run did not note it."""
    moved: tuple[Difference, ...]
    """What differs from the version before; empty for the first."""

    @property
    def verdict_change(self) -> str:
        """Why its verdict is another one than before; empty where it is not."""
        return next((one.text for one in self.moved if one.group == "verdict"), "")


def list_versions(
    lake: Lake, night: date, app: str, new: Report | None = None, written_at: str = ""
) -> list[NightVersion]:
    """Lists the versions of a night, the first written first.

    Args:
        lake: has the reports.
        night: the date.
        app: the application.
        new: a version that is about to be written.
        written_at: when, in ISO form.
    """
    names = order_versions(lake, night, app)
    stored = [report for name in names if (report := read_report(lake, night, app, name))]
    times = {
        one.version: read_written_at(lake, ReportVersion(night, app, one.version)) for one in stored
    }
    if new and new.version not in times:
        stored.append(new)
        times[new.version] = written_at
    versions: list[NightVersion] = []
    for number, report in enumerate(stored):
        before = stored[number - 1] if number else None
        moved = tuple(list_differences(before, report)) if before else ()
        name = before.version if before else ""
        versions.append(NightVersion(report.version, name, times[report.version], moved))
    return versions
