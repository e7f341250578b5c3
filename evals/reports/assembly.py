"""Builds, stores and renders the reports of a night, and the board over all of them.

`night_data` reads what a report is built from; `report` builds it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.registry import is_recorded
from evals.records import JsonLike, digest
from evals.reports.archive import read_earlier_reports, read_report
from evals.reports.decide.rows import Rate, read_rows
from evals.reports.incident_names import remember_names
from evals.reports.incident_rows import Incidents
from evals.reports.night_data import StoredNight, find_baseline_versions
from evals.reports.report import Report, build_refused_report, build_report
from evals.reports.section import Parts
from evals.reports.sections import incidents
from evals.reports.versions import NightVersion, list_versions
from evals.runs import night_locks
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.accounts import Account
from evals.storage.documents.batch_jobs import list_open_jobs
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files, read_rates_of
from evals.storage.parquet_files import stream_rows
from evals.storage.report_files import (
    has_page,
    write_markdown,
    write_page,
    write_report,
)


class StoredReport(NamedTuple):
    """A stored report and its folder."""

    report: Report
    folder: Path


def write_night_reports(
    lake: Lake, catalog: Catalog, night: date, stamp: Mapping[str, JsonLike]
) -> list[StoredReport]:
    """Builds and stores every application's report of a night.

    An application with a broken catalog waits: its earlier report stays, and the night is due once
    the catalog is repaired.

    Args:
        lake: the marts to read; reports are stored there.
        catalog: the applications' gates and suites.
        night: the date.
        stamp: the content of `run.json`: the run, and `reported_at`, the time in ISO form that
            decides whether the night is still provisional.
    """
    now = datetime.fromisoformat(str(stamp["reported_at"]))
    open_until: dict[str, str] = {}
    state = night_state.read_state(lake, night)
    stored = list[StoredReport]()
    waiting = {*state.waiting, *state.apps} & set(catalog.broken)
    for app, account in sorted(state.apps.items()):
        if app in waiting:
            continue
        report = build_app_report(lake, catalog, night, app, account)
        until = catalog.app(app).watermark(night, catalog.day_begins)
        if now < until:
            open_until[app] = until.isoformat()
        stored.append(write_app_report(lake, catalog, report, until, stamp))
    versions = {item.report.app: item.report.version for item in stored}
    mark_reported(lake, catalog, night, waiting, versions, open_until)
    refresh_neighbours(lake, stored)
    return stored


def refresh_neighbours(lake: Lake, stored: Sequence[StoredReport]) -> None:
    """Links reports from the pages of the nights before and after them."""
    from evals.reports import night_pages

    for item in stored:
        night_pages.refresh_neighbours(lake, item.report)


def write_app_report(
    lake: Lake, catalog: Catalog, report: Report, until: datetime, stamp: Mapping[str, JsonLike]
) -> StoredReport:
    """Stores an application's report with its pages; `until` then the night is provisional."""
    from evals.reports import linked_pages, night_pages
    from evals.reports.pages import night as page
    from evals.reports.pages.night_markdown import render_markdown

    night, now = report.date, datetime.fromisoformat(str(stamp["reported_at"]))
    night_pages.write_answers(lake, report, catalog)
    versions = list_versions(lake, night, report.app, report, now.isoformat())
    history = read_earlier_reports(lake, report.app, night)
    linked_pages.write_missing_pages(lake, [*history, report])
    html = page.render_night(
        report,
        has_page=partial(has_page, lake),
        history=history,
        provisional_until=until.isoformat() if now < until else None,
        run=stamp,
        versions=versions,
        neighbours=night_pages.find_neighbours(lake, night, report.app),
    )
    write_markdown(lake, night, report.app, report.version, render_markdown(report))
    beside = {**stamp, "provisional_until": until.isoformat()}
    folder = write_report(lake, night, report.to_json(), html, beside)
    render_other_versions(lake, night, report.app, report.version, versions)
    remember_names(lake, report)
    return StoredReport(report, folder)


def render_other_versions(
    lake: Lake, night: date, app: str, current: str, versions: Sequence[NightVersion]
) -> None:
    """Renders the pages of a night's other versions anew, so that each lists them all."""
    from evals.reports import night_pages
    from evals.reports.pages import night as page

    night_pages.write_versions(lake, night, app, versions)
    past = read_earlier_reports(lake, app, night) if len(versions) > 1 else []
    for other in versions:
        report = read_report(lake, night, app, other.version) if other.version != current else None
        if report:
            html = page.render_night(
                report, has_page=partial(has_page, lake), history=past, versions=versions
            )
            write_page(lake, night, app, other.version, html)


def mark_reported(
    lake: Lake,
    catalog: Catalog,
    night: date,
    waiting: Collection[str],
    versions: Mapping[str, str],
    open_until: Mapping[str, str],
) -> None:
    """Records a night's reports in its state, with the digest of their inputs.

    Entries of applications that wait are unchanged.
    """
    state = night_state.update_state(lake, night, **count_awaited(lake, night)._asdict())
    seen = night_locks.digest_inputs(lake, catalog, night)
    if not night_state.is_admission_current(lake, night):
        seen = ""  # rows came since: it is due again
    if night_locks.has_later_labels(lake, night):
        seen = ""  # so did labels, which its scores may lack
    rates = digest_rates(lake, catalog, night)
    night_state.update_state(
        lake,
        night,
        reports={**select_waiting(state.reports, waiting), **versions},
        provisional={**select_waiting(state.provisional, waiting), **open_until},
        waiting=tuple(sorted(waiting)),
        seen=seen,
        rates=rates.every,
        app_rates=rates.by_app,
        app_histories=night_state.digest_app_histories(lake, night),
        history=night_state.digest_histories(lake).get(night),
        open=has_retryable_errors(lake, night, waiting),
        failed=night_locks.find_failed_judges(lake, catalog, night),
        on_time=state.on_time or tuple(night_state.list_staged_sources(lake, night)),
    )


class RateDigests(NamedTuple):
    """Digests of a night's rates that series are made of, and of its anchors."""

    every: str
    by_app: dict[str, str]


def digest_rates(lake: Lake, catalog: Catalog, night: date) -> RateDigests:
    """Returns digests of a night's rates, of all applications and of each."""
    declared = {
        (app.app, one.dimension, name)
        for app in catalog.apps.values()
        for one in catalog.dimensions_of(app)
        for name in one.slices
    }
    names = ("all", *sorted({name for _, _, name in declared}))
    rows = read_rates_of(lake, [night], names)
    series: dict[str, list[str]] = {}
    for row, rate in zip(rows, read_rows(Rate, rows), strict=True):
        own = (row["app"], rate.dimension, rate.slice)
        if not is_recorded(rate.kind) and (rate.slice == "all" or own in declared):
            series.setdefault(row["app"], []).append(f"{row['app']} {rate!r}")
    for file in list_locked_files(lake, "anchors", [night]):
        for row in lake.read_file("anchors", file):
            series.setdefault(row.app, []).append(f"{row.app} {row!r}")
    every = sorted(text for texts in series.values() for text in texts)
    return RateDigests(digest(every), {app: digest(sorted(own)) for app, own in series.items()})


def select_waiting(entries: Mapping[str, str], waiting: Collection[str]) -> dict[str, str]:
    """Returns the entries of applications that wait."""
    return {app: value for app, value in entries.items() if app in waiting}


def build_app_report(
    lake: Lake, catalog: Catalog, night: date, app: str, account: Account
) -> Report:
    """Builds one application's report of a night."""
    data = StoredNight(lake, catalog, night, catalog.app(app), account)
    if reason := account.get("refused"):
        return build_refused_report(data, reason)
    data, found = find_incidents(data)
    return build_report(data, Parts().replace_part(incidents.SECTION, found))


def find_incidents(data: StoredNight) -> tuple[StoredNight, Incidents]:
    """Finds an application's incidents, and the evaluators and the baseline of its night."""
    lake, app = data.lake, data.app
    evaluators = night_locks.lock_evaluators(lake, data.catalog, data.date, app.app)
    data = replace(data, evaluators=evaluators)
    found = incidents.build(incidents.collect(data), Parts())
    first = min((row.first for row in found.list_open()), default=data.date)
    versions = find_baseline_versions(lake, app, first)  # the nights before what is open
    return replace(data, baseline=versions), found


def has_retryable_errors(lake: Lake, night: date, waiting: Collection[str] = ()) -> bool:
    """Whether a call of the night failed in a way that a retry may repair."""
    files = list_locked_files(lake, "scores", [night], waiting)
    read = (rows for file in files for rows in stream_rows(file, ["retryable"]))
    return any(row["retryable"] for rows in read for row in rows)


class AwaitedAnswers(NamedTuple):
    """A night's answers expected from batches; the names are fields of `NightState`."""

    awaits: int
    """Answers, repeated ones included."""
    out: tuple[str, ...]
    """Tags of the batches that may contain them."""


def count_awaited(lake: Lake, night: date) -> AwaitedAnswers:
    """Counts a night's answers that are expected from batches.

    Equal content is asked once, so a batch of another night may contain this night's answers.
    """
    rows = (
        getattr(row, name) or 0
        for table, name in (("coverage", "pending"), ("noise", "awaited"))
        for file in list_locked_files(lake, table, [night])
        for row in lake.read_file(table, file)
    )
    count, versions = sum(rows), night_locks.list_answer_versions(lake, night)
    jobs = list_open_jobs(lake) if count else []
    tags = sorted(job.tag for job in jobs if job.answer_version in versions)
    return AwaitedAnswers(count, tuple(tags))
