"""When an error analysis is due: never done, weeks ago, or before an incident.

Which applications were due at the last run is a document of the home.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from evals.error_analysis.progress import Progress, measure_progress
from evals.reports.archive import read_last_reports
from evals.reports.report import Report
from evals.reports.sections import incidents
from evals.specs import Catalog
from evals.storage.documents.due_analyses import DueAnalysis, write_due_analyses
from evals.storage.documents.failure_modes import Taxonomy, read_taxonomy
from evals.storage.documents.open_notes import OpenNote, read_notes
from evals.storage.documents.reading_lists import ReadingList, read_reading_lists
from evals.storage.lake import Lake


def record_due_analyses(lake: Lake, catalog: Catalog, now: datetime) -> bool:
    """Records the analyses that are due; returns whether they changed."""
    return write_due_analyses(lake, find_due_analyses(lake, catalog, now))


def find_due_analyses(lake: Lake, catalog: Catalog, now: datetime) -> list[DueAnalysis]:
    """Finds the applications whose error analysis is due; only those that have a report."""
    reports = read_last_reports(lake)
    due = ((app, explain_due(lake, catalog, report, now)) for app, report in reports.items())
    return sorted(describe_due(lake, app, reason) for app, reason in due if reason)


def describe_due(lake: Lake, app: str, reason: str) -> DueAnalysis:
    """Describes an analysis that is due, and how far the last list is unless it was finished."""
    lists = read_reading_lists(lake, app)
    if not lists:
        return DueAnalysis(app, reason)
    progress = measure_list(lists[-1], read_notes(lake, app), read_taxonomy(lake, app))
    if not progress.read or (progress.is_enough and not progress.ungrouped):
        return DueAnalysis(app, reason)
    if progress.is_enough:
        return DueAnalysis(app, f"{reason}: {progress.describe_ungrouped()}", is_read=True)
    read = f"{progress.read} of {progress.listed} traces read"
    return DueAnalysis(app, f"{reason}: {read}", is_begun=True)


def measure_list(reading: ReadingList, notes: Sequence[OpenNote], taxonomy: Taxonomy) -> Progress:
    """Measures how far one reading list is, by the notes about its traces."""
    listed = {one.trace_id for one in reading.traces}
    own = [note for note in notes if note.trace_id in listed]
    return measure_progress(reading, own, taxonomy)


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
        progress = measure_list(reading, notes, taxonomy)
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
