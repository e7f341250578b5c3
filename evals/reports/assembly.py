"""Builds, stores and renders the reports of a night, and the board over all of them.

What a report is built from is read by `night_data`; what it concludes is `report`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from evals.reports.archive import current_reports, earlier_reports
from evals.reports.night_data import StoredNight, baseline_versions
from evals.reports.report import Report, build_report, refuse_report
from evals.runs import night_locks
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.batch_jobs import list_open_jobs
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake
from evals.storage.marts import locked_files
from evals.storage.report_files import write_board_page


class StoredReport(NamedTuple):
    """A report at rest, and where."""

    report: Report
    folder: Path


def write_night_reports(
    lake: Lake, catalog: Catalog, night: date, stamp: Mapping[str, Any]
) -> list[StoredReport]:
    """Builds and stores every application's report of a night.

    One whose catalog is broken waits: its earlier report stays, and the night is due when that is
    mended.

    Args:
        lake: where marts are read and reports are stored.
        catalog: the applications' gates and suites.
        night: its date.
        stamp: what belongs beside a report and not in it: run, durations, and `reported_at`, the
            moment in ISO form that decides whether the night is still provisional.
    """
    from evals.reports.pages import night as page

    now = datetime.fromisoformat(stamp["reported_at"])
    open_until: dict[str, str] = {}
    known = night_state.read_state(lake, night)
    stored = list[StoredReport]()
    waiting = {*known.waiting, *known.apps} & set(catalog.broken)
    for app, account in sorted(known.apps.items()):
        if app in waiting:
            continue
        report = build(lake, catalog, night, app, account)
        until = catalog.app(app).watermark(night, catalog.day_begins)
        if now < until:
            open_until[app] = until.isoformat()
        html = page.render_night(
            report,
            history=earlier_reports(lake, app, night),
            provisional_until=open_until.get(app),
            run=stamp,
        )
        beside = {**stamp, "provisional_until": until.isoformat()}
        folder = lake.write_report(night, report.to_json(), html, beside)
        stored.append(StoredReport(report, folder))
    versions = {one.report.app: one.report.version for one in stored}
    mark_reported(lake, catalog, night, waiting, versions, open_until)
    return stored


def mark_reported(
    lake: Lake,
    catalog: Catalog,
    night: date,
    waiting: Collection[str],
    versions: Mapping[str, str],
    open_until: Mapping[str, str],
) -> None:
    """Notes in a night's state which reports it has, and from what they were made.

    Those of applications that wait stay as they were.
    """
    known = night_state.update_state(lake, night, **awaited_answers(lake, night))
    seen = night_locks.digest_inputs(lake, catalog, night)
    seen = seen if night_state.as_admitted(lake, night) else ""  # rows came since: it is due again
    night_state.update_state(
        lake,
        night,
        reports={**of_waiting(known.reports, waiting), **versions},
        provisional={**of_waiting(known.provisional, waiting), **open_until},
        waiting=tuple(sorted(waiting)),
        seen=seen,
        open=has_retryable_errors(lake, night, waiting),
        on_time=known.on_time or tuple(night_state.staged_names(lake, night)),
    )


def of_waiting(known: Mapping[str, str], waiting: Collection[str]) -> dict[str, str]:
    """The entries of a night's state that belong to applications that wait."""
    return {app: value for app, value in known.items() if app in waiting}


def build(
    lake: Lake, catalog: Catalog, night: date, app: str, account: Mapping[str, Any]
) -> Report:
    """One application's report of a night."""
    spec = catalog.app(app)
    data = StoredNight(lake, catalog, night, spec, account)
    if reason := account.get("refused"):
        return refuse_report(data, reason)
    evaluators = night_locks.lock_evaluators(lake, catalog, night, app)
    versions = baseline_versions(lake, spec, night)
    return build_report(replace(data, evaluators=evaluators, baseline=versions))


def has_retryable_errors(lake: Lake, night: date, waiting: Collection[str] = ()) -> bool:
    """Whether a call failed that night in a way that may pass another time."""
    files = locked_files(lake, "scores", [night], waiting)
    read = (rows for file in files for rows in parquet_batches(file, ["retryable"]))
    return any(row["retryable"] for rows in read for row in rows)


def awaited_answers(lake: Lake, night: date) -> dict[str, Any]:
    """A night's answers that come with batches, a judge's further ones too, and which those may be.

    Equal content is asked once: a batch of another night's may hold this night's answers.
    """
    rows = (
        getattr(row, name) or 0
        for table, name in (("coverage", "pending"), ("noise", "awaited"))
        for file in locked_files(lake, table, [night])
        for row in lake.read_file(table, file)
    )
    count, versions = sum(rows), night_locks.list_answer_versions(lake, night)
    out = (
        [one.tag for one in list_open_jobs(lake) if one.answer_version in versions] if count else []
    )
    return {"awaits": count, "out": tuple(sorted(out))}


def write_board(lake: Lake, run: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Renders the board over the current report of every night; see `render_board`."""
    from evals.reports.pages import board

    shown = [
        {**one._asdict(), "date": one.date.isoformat()} for one in night_state.open_nights(lake)
    ]
    html = board.render_board(current_reports(lake), run=dict(run), provisional=shown)
    return write_board_page(lake, html)
