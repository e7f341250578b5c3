"""The page of a night of an application: its frame, and the fragment of each section.

Turns a report into words, geometry and markup. Computes no rate, interval or verdict.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, cast
from urllib.parse import quote

from evals.evaluators.registry import is_recorded
from evals.reports import sections
from evals.reports.cause_rows import Cause, VersionChange
from evals.reports.pages.answers import locate_lists, name_list
from evals.reports.pages.brief import build_brief
from evals.reports.pages.charts import (
    Scale,
    Trend,
    collect_points,
    draw_trend,
    list_version_changes,
    make_scale,
)
from evals.reports.pages.environment import TEMPLATES, load_environment
from evals.reports.pages.evaluator import locate_evaluator
from evals.reports.pages.incident import locate_incident
from evals.reports.pages.marks import VERDICT_MARKS, get_verdict, locate_page
from evals.reports.pages.slice import locate_slice, locate_slices
from evals.reports.pages.topics import locate_topics
from evals.reports.pages.trace_links import HasPage, assume_page, locate_traces
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import (
    accounting,
    causes,
    changes,
    examples,
    incidents,
    provenance,
    results,
    slices,
)
from evals.reports.sections.changes import Change
from evals.reports.versions import NightVersion
from evals.storage.answer_pages import LISTS, TOPICS
from evals.storage.report_files import PAGE

UP = "../../../"
"""The way from a night's page to the board."""


class Moved(NamedTuple):
    """A change with its causes; `change` is None where the change is not clear."""

    dimension: str
    change: Change | None
    causes: list[Cause]


class Together(NamedTuple):
    """Changes that have the same causes."""

    moved: list[Moved]
    causes: list[Cause]
    """Those of the first; the words of the others differ in their rates alone."""


class Versions(NamedTuple):
    """A version that did worse than another one in the same nights."""

    cause: Cause
    change: VersionChange


class Neighbour(NamedTuple):
    """A reported night beside another."""

    date: date
    version: str
    href: str


class Neighbours(NamedTuple):
    """The reported nights before and after one; None where there is none."""

    before: Neighbour | None = None
    after: Neighbour | None = None


NO_NEIGHBOURS = Neighbours()


class AnswerList(NamedTuple):
    """The list of the answers that fail a dimension."""

    dimension: str
    n: int
    href: str


def render_night(
    report: Report,
    *,
    has_page: HasPage = assume_page,
    history: Sequence[Report],
    provisional_until: str | None = None,
    run: Mapping[str, object] = MappingProxyType({}),
    versions: Sequence[NightVersion] = (),
    neighbours: Neighbours = NO_NEIGHBOURS,
    has_data_docs: bool = True,
    templates: Path = TEMPLATES,
) -> str:
    """Renders the page of an application's night.

    Args:
        report: the report of the night.
        has_page: whether a page below the board exists, so that none is linked that does not.
        history: earlier reports of the same application, oldest first.
        provisional_until: the time until which rows may arrive; None if the night is final.
        run: the content of `run.json`; its `pins` are shown, as in `render_board`.
        versions: all versions of the night, the first written first.
        neighbours: the nights before and after.
        has_data_docs: whether the night has Data Docs.
        templates: a folder whose fragments replace those of the package.

    Returns:
        One HTML file that links only to `report.json` beside it and the board three folders up.
    """
    nights = [*history, report]
    return load_environment(templates).get_template("night.html").render(
        report=report,
        parts=report.parts.by_name(),
        headlines=list_fragments(report, is_headline=True),
        fragments=list_fragments(report, is_headline=False),
        verdict=get_verdict(report),
        is_addressed=locate_page(report) is not None,
        changed=list_version_changes(nights)[-1],
        moved=group_moved(list_moved(report)),
        compared=list_compared(report),
        blessed=[row for row in report[results.SECTION] if row.is_whole and row.blessed],
        most_changed=find_most_changed(report),
        provisional_until=provisional_until,
        ending_pins=select_ending_pins(report, run),
        data_docs=build_data_docs_link(report) if has_data_docs else None,
        versions=versions,
        verdict_change=find_verdict_change(report, versions),
        neighbours=neighbours,
        brief=build_brief(report),
        lists=list_answer_lists(report),
        pages=list_trace_links(report, has_page),
        slice_pages=list_slice_links(report, has_page),
        slices_page=link_page(locate_slices(report.app), has_page),
        evaluator_pages=list_evaluator_links(report, has_page),
        failing_page=f"../{LISTS}/{PAGE}" if has_page(locate_lists(report)) else None,
        topics_page=f"../{TOPICS}/{PAGE}" if has_page(locate_topics(report)) else None,
        incident_pages=locate_incidents(report),
        listing=accounting.list_files(report[accounting.SECTION].files),
        **summarize_rates(report, nights),
    )  # fmt: skip


def find_verdict_change(report: Report, versions: Sequence[NightVersion]) -> str:
    """Finds why this version has another verdict than the one before; empty where it has not."""
    return next((one.verdict_change for one in versions if one.version == report.version), "")


def summarize_rates(report: Report, nights: Sequence[Report]) -> dict[str, object]:
    """Returns the values of the page's summary: the rows of all traces, with small charts."""
    whole = [row for row in report[results.SECTION] if row.is_whole]
    trends = draw_trends(nights, whole)
    deciding = [row.verdict for row in whole if row.decides]
    return {
        "whole": whole,
        "own": [row for row in whole if not is_recorded(row.kind)],
        "recorded": [row for row in whole if is_recorded(row.kind)],
        "deciding": [(word, deciding.count(word)) for word in VERDICT_MARKS if word in deciding],
        "axis": make_axis(whole),
        "trends": trends,
        "numbered": [key for key, trend in trends.items() if trend.count_measured() > 1],
    }


def list_fragments(report: Report, *, is_headline: bool) -> list[str]:
    """Lists the templates of the sections above the page's summary, or below it."""
    return [
        f"sections/{section.name}.html"
        for section in sections.SECTIONS
        if section.has_fragment
        and section.is_headline is is_headline
        and (section.shown_if_refused or not report.is_refused)
    ]


def make_axis(rows: Sequence[Result]) -> Scale:
    """Makes the scale on which the night's rates are drawn."""
    marks = (
        (row.low, row.high, row.target, row.estimate_low, row.estimate_high,
         row.baseline.rate if row.baseline else None)
        for row in rows
    )  # fmt: skip
    return make_scale(itertools.chain.from_iterable(marks), 240)


def draw_trends(nights: Sequence[Report], rows: Sequence[Result]) -> dict[tuple[str, str], Trend]:
    """Draws a small chart of each row over the nights, all on one scale."""
    by_key = {key: collect_points(nights, key) for key in dict.fromkeys(row.key for row in rows)}
    bounds = [v for points in by_key.values() for p in points for v in (p.rate, p.low, p.high)]
    span = make_scale(bounds, 34)
    return {
        key: draw_trend(points, (132, 34), span.low, span.high, None)
        for key, points in by_key.items()
    }


def select_ending_pins(report: Report, run: Mapping[str, object]) -> list[Mapping[str, str]]:
    """Returns the pins about to expire that this night's evaluators use."""
    models = {row.model for row in report[provenance.SECTION].evaluators}
    pins = cast("Sequence[Mapping[str, str]]", run.get("pins", ()))
    return [pin for pin in pins if pin["model"] in models]


def list_answer_lists(report: Report) -> list[AnswerList]:
    """Lists the pages with the failing answers of each dimension."""
    failed: dict[str, int] = {}
    for row in report[results.SECTION]:
        if row.is_whole and row.failed:
            failed[row.dimension] = max(failed.get(row.dimension, 0), row.failed)
    return [AnswerList(name, n, f"../{LISTS}/{name_list(name)}") for name, n in failed.items()]


def locate_incidents(report: Report) -> dict[str, str | None]:
    """Returns the paths of the pages of a report's incidents, by name."""
    if locate_page(report) is None:
        return {row.name: None for row in report[incidents.SECTION].rows}
    return {row.name: locate_incident(row.name) for row in report[incidents.SECTION].rows}


def list_trace_links(report: Report, has_page: HasPage) -> dict[str, str]:
    """Returns the links to the pages of the traces on it, by id."""
    shown = [
        *report[examples.SECTION],
        *(e for row in report[slices.SECTION] for e in row.examples),
    ]
    return locate_traces(shown, report.date, report.app, has_page, UP)


def list_slice_links(report: Report, has_page: HasPage) -> dict[str, str]:
    """Returns the links to the pages of the slices on it, by name."""
    names = {row.slice for row in (*report[slices.SECTION], *report[results.SECTION])} - {"all"}
    places = ((name, locate_slice(report.app, name)) for name in sorted(names))
    return {name: f"{UP}{place}" for name, place in places if place and has_page(place)}


def link_page(place: str | None, has_page: HasPage) -> str | None:
    """Returns the link to a page below the board; None where there is none."""
    return f"{UP}{place}" if place and has_page(place) else None


def list_evaluator_links(report: Report, has_page: HasPage) -> dict[str, str]:
    """Returns the links to the pages of its evaluators, by name."""
    names = {row.evaluator for row in report[results.SECTION]}
    places = ((name, locate_evaluator(report.app, name)) for name in sorted(names))
    return {name: f"{UP}{place}" for name, place in places if place and has_page(place)}


def build_data_docs_link(report: Report) -> str:
    """Returns the link from a night's page to its Data Docs."""
    name = quote(report.app, safe="", errors="replace")
    return f"../../../../data_docs/{report.date.isoformat()}/{name}.html"


def list_moved(report: Report) -> list[Moved]:
    """Lists the changes that slipped or have causes, for "What changed"."""
    by_key: dict[tuple[str, str], list[Cause]] = defaultdict(list)
    for cause in report[causes.SECTION]:
        by_key[cause.key].append(cause)
    whole = {row.key: row for row in report[changes.SECTION] if row.slice == "all"}
    slipped = [key for key, row in whole.items() if row.verdict == "slipped"]
    keys = dict.fromkeys([*slipped, *by_key])
    return [Moved(key[0], whole.get(key), by_key.get(key, [])) for key in keys]


def group_moved(moved: Sequence[Moved]) -> list[Together]:
    """Groups changes by their causes, in order, so that no cause is repeated."""
    groups: dict[tuple[object, ...], Together] = {}
    for one in moved:
        key = tuple((c.cause, c.before, c.after, c.words.partition(";")[0]) for c in one.causes)
        groups.setdefault(key, Together([], one.causes)).moved.append(one)
    return list(groups.values())


def list_compared(report: Report) -> list[Versions]:
    """Lists the versions that were compared with another one of the same nights and did worse."""
    return [
        Versions(cause, cause.same_night)
        for cause in report[causes.SECTION]
        if cause.same_night is not None
    ]


def find_most_changed(report: Report) -> float:
    """Finds the scale of changes: the largest bound, at least 20 points, at most all."""
    blessed = (row.blessed for row in report[results.SECTION] if row.is_whole and row.blessed)
    bounds = [v for one in blessed for v in (one.low, one.high)]
    bounds += [v for one in list_compared(report) for v in (one.change.low, one.change.high)]
    return min(1.0, max([0.2, *map(abs, bounds)]))
