"""Writes the pages of a stored night: its own page, its failing answers, its neighbours' links.

What is on a page is in `pages`; `assembly` builds the reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from functools import partial

from evals.reports.archive import read_earlier_reports, read_report
from evals.reports.comparisons import read_comparisons
from evals.reports.failing_answers import read_failing_night, stream_traces
from evals.reports.linked_pages import write_missing_pages
from evals.reports.pages import answers, night, topics, traces
from evals.reports.pages import versions as version_pages
from evals.reports.pages.marks import locate_page, locate_version
from evals.reports.pages.night import Neighbour, Neighbours
from evals.reports.report import Report
from evals.reports.sections import unmet
from evals.reports.similar_traces import find_similar
from evals.reports.topic_examples import read_topic_requests
from evals.reports.versions import NightVersion, list_versions
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.answer_pages import (
    TOPICS,
    empty_answer_pages,
    empty_pages_about,
    has_answer_pages,
    list_about,
    list_emptied,
    write_answer_pages,
    write_topics_page,
)
from evals.storage.lake import Lake
from evals.storage.report_files import (
    PAGE,
    ReportVersion,
    has_page,
    locate_data_docs,
    read_run,
    read_version_page,
    write_linked_page,
    write_page,
)

DAY = timedelta(days=1)
REACH = 31
"""Nights that are searched for a neighbour."""


def write_answers(lake: Lake, report: Report, catalog: Catalog | None = None) -> None:
    """Writes the lists of a night's failing answers, and the page of each.

    Args:
        lake: the home.
        report: the night's.
        catalog: has right answers and the application's template; None: pages are without them.
    """
    unmet_requests = (e.trace_id for one in report[unmet.SECTION].topics for e in one.examples)
    failing = read_failing_night(lake, report.date, report.app, set(unmet_requests))
    beside = traces.find_beside(failing)
    similar = find_similar(lake, failing)
    comparisons = read_comparisons(lake, catalog, report, failing.given)
    listed: list[answers.Listed] = []

    def build_pages() -> Iterator[tuple[str, str]]:
        for trace in stream_traces(lake, failing):
            listed.extend(answers.build_listed(trace, failing))
            near, links = similar.get(trace.trace_id, ()), beside.get(trace.trace_id)
            compared = comparisons.find(trace)
            yield traces.render_trace(trace, report, failing, links, near, compared)
        yield from answers.render_lists(report, failing, listed)
        yield f"{TOPICS}/{PAGE}", render_topics(lake, report)

    write_answer_pages(lake, report.date, report.app, build_pages())


def render_topics(lake: Lake, report: Report) -> str:
    """Renders the page of a night's topics."""
    requests = read_topic_requests(lake, report.date, report.app)
    near = find_neighbours(lake, report.date, report.app)
    pairs = (("previous", near.before), ("next", near.after))
    beside = [
        topics.Beside(word, one.date.isoformat(), f"../../../{place}")
        for word, one in pairs
        if one
        and (place := f"{one.date.isoformat()}/{report.app}/{TOPICS}/{PAGE}")
        and has_page(lake, place)
    ]
    return topics.render_topics(report, requests, partial(has_page, lake), beside)


def render_stored(
    lake: Lake,
    report: Report,
    *,
    versions: Sequence[NightVersion] | None = None,
    provisional_until: str | None = None,
) -> str:
    """Renders the page of a stored report; writes its answers' pages where there are none."""
    if not has_answer_pages(lake, report.date, report.app):
        write_answers(lake, report)
    history = read_earlier_reports(lake, report.app, report.date)
    write_missing_pages(lake, [*history, report])
    if versions is None:
        versions = list_versions(lake, report.date, report.app)
    write_versions(lake, report.date, report.app, versions)
    return night.render_night(
        report,
        has_page=partial(has_page, lake),
        history=history,
        run=read_run(lake, ReportVersion(report.date, report.app, report.version)),
        versions=versions,
        provisional_until=provisional_until,
        neighbours=find_neighbours(lake, report.date, report.app),
        has_data_docs=locate_data_docs(lake, report.date, report.app).exists(),
    )


def write_versions(lake: Lake, at: date, app: str, versions: Sequence[NightVersion]) -> None:
    """Writes the page of a night's versions where there are several."""
    if len(versions) < 2:
        return
    stored = (read_report(lake, at, app, one.version) for one in versions[-version_pages.MOST :])
    if reports := [report for report in stored if report]:
        page = version_pages.render_versions(versions, reports)
        write_linked_page(lake, f"{at}/{app}/{version_pages.FOLDER}/{PAGE}", page)


def find_neighbours(lake: Lake, at: date, app: str) -> Neighbours:
    """Finds the reported nights before and after one, a month away at most."""
    return Neighbours(*(find_neighbour(lake, at, app, step) for step in (-DAY, DAY)))


def find_neighbour(lake: Lake, at: date, app: str, step: timedelta) -> Neighbour | None:
    """Finds the next reported night in a direction; None within a month."""
    for away in range(1, REACH + 1):
        day = at + step * away
        version = night_state.read_intact_state(lake, day).reports.get(app)
        href = locate_version(day, app, version) if version else None
        if version and href:
            return Neighbour(day, version, f"../../../{href}")
    return None


def refresh_neighbours(lake: Lake, report: Report) -> None:
    """Renders the nights before and after a report anew where they lack the link to it."""
    own = locate_page(report)
    for one in find_neighbours(lake, report.date, report.app):
        if one and own and f'href="../../../{own}"' not in read_page(lake, one, report.app):
            stored = read_report(lake, one.date, report.app, one.version)
            if stored:
                if has_page(lake, topics.locate_topics(stored)):
                    page = render_topics(lake, stored)
                    write_topics_page(lake, one.date, report.app, page)
                until = night_state.read_intact_state(lake, one.date).provisional.get(report.app)
                page = render_stored(lake, stored, provisional_until=until)
                write_page(lake, one.date, report.app, one.version, page)


def read_page(lake: Lake, one: Neighbour, app: str) -> str:
    """Reads the page of a neighbour; empty where it is missing."""
    return read_version_page(lake, ReportVersion(one.date, app, one.version))


def empty_answers(lake: Lake, traces: Collection[str]) -> None:
    """Deletes the answers' pages of each night that has one of some traces, and others' texts."""
    for pages in list_about(lake, traces):
        empty_answer_pages(lake, *pages)
    empty_pages_about(lake, traces)


def write_emptied(lake: Lake, catalog: Catalog | None = None) -> None:
    """Writes the answers' pages that `empty_answers` deleted, from the tables as they are now."""
    for at, app in list_emptied(lake):
        version = night_state.read_intact_state(lake, at).reports.get(app)
        report = read_report(lake, at, app, version) if version else None
        if report:
            write_answers(lake, report, catalog)
            render_versions(lake, at, app)


def render_versions(lake: Lake, at: date, app: str) -> None:
    """Renders the pages of all versions of a night anew."""
    state = night_state.read_intact_state(lake, at)
    versions = list_versions(lake, at, app)
    for one in versions:
        if report := read_report(lake, at, app, one.version):
            is_current = one.version == state.reports.get(app)
            until = state.provisional.get(app) if is_current else None
            page = render_stored(lake, report, versions=versions, provisional_until=until)
            write_page(lake, at, app, one.version, page)
