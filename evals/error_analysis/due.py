"""When an error analysis is due: never done, weeks ago, or before an incident.

Which applications were due at the last run is a document of the home.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from evals.error_analysis.progress import measure_progress
from evals.reports.archive import read_report
from evals.reports.board_pages import list_current
from evals.reports.report import Report
from evals.reports.sections import incidents
from evals.specs import Catalog
from evals.storage.documents.due_analyses import DueAnalysis, write_due_analyses
from evals.storage.documents.failure_modes import read_taxonomy
from evals.storage.documents.open_notes import read_notes
from evals.storage.documents.reading_lists import read_reading_lists
from evals.storage.lake import Lake


def record_due_analyses(lake: Lake, catalog: Catalog, now: datetime) -> bool:
    """Records the analyses that are due; returns whether they changed."""
    return write_due_analyses(lake, find_due_analyses(lake, catalog, now))


def find_due_analyses(lake: Lake, catalog: Catalog, now: datetime) -> list[DueAnalysis]:
    """Finds the applications whose error analysis is due; only those that have a report."""
    newest = {version.app: version for version in list_current(lake)}  # oldest first
    reports = {app: read_report(lake, one.night, app, one.version) for app, one in newest.items()}
    due = (
        (app, explain_due(lake, catalog, report, now)) for app, report in reports.items() if report
    )
    return sorted(describe_due(lake, app, reason) for app, reason in due if reason)


def describe_due(lake: Lake, app: str, reason: str) -> DueAnalysis:
    """Describes an analysis that is due, and how far it was read if it was begun."""
    lists, notes = read_reading_lists(lake, app), read_notes(lake, app)
    listed = {one.trace_id for one in lists[-1].traces} if lists else set[str]()
    read = len(listed & {note.trace_id for note in notes})
    if not 0 < read < len(listed):
        return DueAnalysis(app, reason)
    return DueAnalysis(app, f"{reason}: {read} of {len(listed)} traces read", is_begun=True)


def explain_due(lake: Lake, catalog: Catalog, report: Report, now: datetime) -> str:
    """Explains why an application's error analysis is due; empty where it is not."""
    app = report.app
    if app in catalog.broken:
        return ""
    rule = catalog.app(app).error_analysis
    if rule.every_weeks is None:
        return ""
    done = find_last_done(lake, app)
    if done is None:
        return "error analysis never done"
    if incident := next(iter(list_incidents_since(report, done.date())), ""):
        return f"error analysis due since {incident}"
    if now - done >= timedelta(weeks=rule.every_weeks):
        return f"error analysis due: the last one ended on {done:%Y-%m-%d}"
    return ""


def find_last_done(lake: Lake, app: str) -> datetime | None:
    """Finds when the last analysis ended that read enough; None where none did."""
    notes, taxonomy = read_notes(lake, app), read_taxonomy(lake, app)
    for reading in reversed(read_reading_lists(lake, app)):
        listed = {one.trace_id for one in reading.traces}
        own = [note for note in notes if note.trace_id in listed]
        progress = measure_progress(reading, own, taxonomy)
        if progress.is_enough and progress.last and not progress.ungrouped:
            return progress.last.astimezone(UTC)
    return None


def list_incidents_since(report: Report, day: date) -> Iterator[str]:
    """Yields the incidents of a report that opened or ended after a day, in words."""
    rows: Iterable[incidents.IncidentRow] = report[incidents.SECTION].rows
    for row in rows:
        if row.opened > day:
            yield f"incident {row.name} opened on {row.opened}"
        elif not row.is_open and row.last > day:
            yield f"incident {row.name} ended on {row.last}"
