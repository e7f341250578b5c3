"""The board: every application over all nights, one page of HTML.

Turns reports into cells, sentences and small charts; figures are as reported.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.missing_nights import group_outages
from evals.reports.pages.answers import locate_lists
from evals.reports.pages.charts import (
    Trend,
    collect_points,
    draw_trend,
    list_version_changes,
    make_scale,
)
from evals.reports.pages.environment import load_environment
from evals.reports.pages.evaluator import locate_evaluator
from evals.reports.pages.incident import Reported, locate_incident
from evals.reports.pages.marks import VERDICT_MARKS, get_verdict, locate_page
from evals.reports.pages.slice import locate_slices
from evals.reports.pages.topics import locate_topics
from evals.reports.pages.trace_links import HasPage, lack_page
from evals.reports.phrases import capitalize_first, count_in_words, join_names
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import provenance, results
from evals.reports.sections.provenance import Pin
from evals.storage.documents.due_analyses import DueAnalysis
from evals.storage.documents.failed_sources import FailedSource
from evals.storage.documents.missing_nights import MissingNight

COST = "cost.html"
CHUNK = 14
"""Nights in one grid of the board."""


class Cell(NamedTuple):
    """One night of one application on the board."""

    date: date
    verdict: str
    """A key of `VERDICT_MARKS`; without a report `missing` where one was due, else `not due`."""
    href: str | None
    """The night's page, relative to the board; None if the link would be unsafe."""
    sentence: str
    changed: tuple[str, ...]
    """Versions that changed that night, such as `prompt v2 → v3`."""
    versions: int
    """The number of the night's reports; the newest is shown."""


class BoardRow(NamedTuple):
    """One application over all nights of the board, oldest first."""

    app: str
    title: str
    owner: str
    """Empty if the catalog names none."""
    cells: tuple[Cell, ...]
    reports: tuple[Report, ...]
    """Its reports, one per night, oldest first; empty if it never had a trace."""


def list_board_nights(
    reports: Iterable[Report], missing: Iterable[MissingNight] = ()
) -> list[date]:
    """Returns the nights that have a report or owe one, oldest first."""
    return sorted({*(report.date for report in reports), *(night.date for night in missing)})


def build_board_rows(
    reports: Sequence[Report], missing: Sequence[MissingNight] = (), first: date = date.min
) -> list[BoardRow]:
    """Builds a row for each application that has a report or owes one.

    Shows the last of several reports of a night. A report before the first night serves for what
    changed since; it is an application's last one where it has no other.
    """
    nights = [night for night in list_board_nights(reports, missing) if night >= first]
    owed = {(owed_night.app, owed_night.date): owed_night for owed_night in missing}
    by_app: dict[str, dict[date, list[Report]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        by_app[report.app][report.date].append(report)
    rows = list[BoardRow]()
    for app in sorted({*by_app, *(night.app for night in missing)}):
        by_night = by_app[app]
        shown = [by_night[night][-1] for night in sorted(by_night)]
        marks = dict(zip(sorted(by_night), list_version_changes(shown), strict=True))
        cells = tuple(
            build_cell(night, by_night.get(night, []), marks.get(night, ()), owed.get((app, night)))
            for night in nights
        )
        title, owner = (shown[-1].title, shown[-1].owner) if shown else ("", "")
        recent = [report for report in shown if report.date >= first] or shown[-1:]
        rows.append(BoardRow(app, title or app, owner, cells, tuple(recent)))
    return rows


def build_cell(
    night: date,
    reports: Sequence[Report],
    changed: tuple[str, ...],
    missing: MissingNight | None = None,
) -> Cell:
    """Builds the cell of one night of an application."""
    if missing:
        return Cell(night, "missing", None, capitalize_first(missing.describe()) + ".", (), 0)
    if not reports:
        return Cell(night, "not due", None, "No report was due.", (), 0)
    report = reports[-1]
    sentence = report.sentence or get_verdict(report)
    return Cell(night, get_verdict(report), locate_page(report), sentence, changed, len(reports))


def describe_board(rows: Sequence[BoardRow]) -> str:
    """Describes the board, as in `Two of three held last night; extraction slipped`."""
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_verdict[row.cells[-1].verdict].append(row.app)
    held_count = len(by_verdict["held"])
    total = sum(len(names) for verdict, names in by_verdict.items() if verdict != "not due")
    if not total:
        return "No report was due last night."
    if total == 1:
        opening = f"{find_title(rows, by_verdict['held'][0])} held last night" if held_count else ""
    elif held_count == total:
        opening = f"All {count_in_words(total)} held last night"
    else:
        opening = (
            f"{count_in_words(held_count).capitalize()} of {count_in_words(total)} held last night"
        )
    phrases = {
        "slipped": "slipped",
        "too close to call": "too close to call",
        "not measured": "not measured",
        "refused": "refused at validation",
        "missing": "missing",
    }
    others = list[str]()
    for verdict, phrase in phrases.items():
        names = by_verdict[verdict]
        verb = "" if verdict == "slipped" else "was " if len(names) == 1 else "were "
        others += [f"{join_names(names)} {verb}{phrase}"] if names else []
    when = " last night" if not opening and others else ""
    return "; ".join(filter(None, (opening, *others))) + when + "."


def find_title(rows: Iterable[BoardRow], app: str) -> str:
    """Returns the title of an application."""
    return next(row.title for row in rows if row.app == app)


def draw_dimensions(row: BoardRow) -> list[tuple[Result, Trend]]:
    """Draws a chart of each dimension of an application, with its latest result, on one scale."""
    latest: dict[tuple[str, str], Result] = {}
    for report in reversed(row.reports):
        for result in report[results.SECTION]:
            if result.is_whole:
                latest.setdefault(result.key, result)
    points = {key: collect_points(row.reports, key) for key in latest}
    span = make_scale((v for s in points.values() for p in s for v in (p.rate, p.low, p.high)), 84)
    return [
        (
            result,
            draw_trend(
                points[key],
                (270, 84),
                span.low,
                span.high,
                result.baseline.rate if result.baseline else None,
            ),
        )
        for key, result in latest.items()
    ]


def list_unpinned_models(rows: Iterable[BoardRow]) -> dict[str, Pin]:
    """Returns the models of the latest reports that are not pinned, and why."""
    latest = (row.reports[-1] for row in rows if row.reports)
    judges = (judge for report in latest for judge in report[provenance.SECTION].evaluators)
    return {
        judge.model: judge.pin
        for judge in judges
        if judge.model and judge.pin and judge.pin.promise != "pinned"
    }


def render_board(
    reports: Sequence[Report],
    *,
    run: Mapping[str, object] | None,
    provisional: Sequence[Mapping[str, str]] = (),
    missing: Sequence[MissingNight] = (),
    failed_sources: Sequence[FailedSource] = (),
    due_analyses: Sequence[DueAnalysis] = (),
    first: date = date.min,
    months: Sequence[date] = (),
    incidents: Sequence[Reported] = (),
    has_page: HasPage = lack_page,
) -> str:
    """Renders the board over all nights and applications.

    Args:
        reports: in any order; the last of several reports of a night is shown.
        run: figures of the last run: `calls`, `reused`, `usd`, and `pins`, rows of `name`,
            `model`, `on` and `words` for models that end soon.
        provisional: nights whose rows may still come: `date`, `app` and `until`.
        missing: nights that applications owe.
        failed_sources: sources whose last pull failed.
        due_analyses: applications whose error analysis is due.
        first: the first night that is shown, as in `build_board_rows`.
        months: months with a page of their own.
        incidents: those with a page of their own.
        has_page: whether a page below the board exists, so that none is linked that does not.

    Returns:
        One HTML file that links to the pages of the nights below it.
    """
    rows = build_board_rows(reports, missing, first)
    nights = [night for night in list_board_nights(reports, missing) if night >= first]
    charts = {row.app: draw_dimensions(row) for row in rows}
    return load_environment().get_template("board.html").render(
        sentence=describe_board(rows) if rows else "No night has been reported yet.",
        rows=rows,
        latest={row.app: row.reports[-1].parts.by_name() for row in rows if row.reports},
        nights=nights,
        chunks=split_nights(nights),
        links={row.app: list_links(row, has_page) for row in rows},
        months=months,
        incidents=[(one, locate_incident(one.row.name)) for one in incidents],
        has_cost=has_page(COST),
        evaluator_pages={
            (row.app, result.evaluator): href
            for row in rows
            for result, _ in charts[row.app]
            if (href := locate_evaluator(row.app, result.evaluator)) and has_page(href)
        },
        charts=charts,
        missing=group_outages(missing),
        failed_sources=failed_sources,
        due_analyses=due_analyses,
        demo=any(report.demo for report in reports),
        run=run or {},
        provisional=provisional,
        unpinned=list_unpinned_models(rows),
    )  # fmt: skip


def list_links(row: BoardRow, has_page: HasPage) -> list[tuple[str, str]]:
    """Lists the pages beside an application's last report: what failed, its slices, its topics."""
    if not row.reports or locate_page(last := row.reports[-1]) is None:
        return []
    places = (
        ("failing answers", locate_lists(last)),
        ("slices", locate_slices(last.app)),
        ("topics", locate_topics(last)),
    )
    return [(word, place) for word, place in places if place and has_page(place)]


def render_month(
    reports: Sequence[Report], *, month: date, missing: Sequence[MissingNight], stamp: str
) -> str:
    """Renders the page of a month; its links begin one folder below the board.

    Args:
        reports: those of the month, and the report of each application before it.
        month: its first day.
        missing: nights of it that applications owe.
        stamp: a digest of what it is made from.
    """
    rows = build_board_rows(reports, missing, month)
    nights = [night for night in list_board_nights(reports, missing) if night >= month]
    verdicts = Counter(cell.verdict for row in rows for cell in row.cells)
    return load_environment().get_template("month.html").render(
        month=month,
        rows=[row for row in rows if {cell.verdict for cell in row.cells} != {"not due"}],
        nights=nights,
        chunks=split_nights(nights),
        verdicts=[(verdict, verdicts[verdict]) for verdict in VERDICT_MARKS if verdicts[verdict]],
        missing=group_outages(missing),
        stamp=stamp,
        demo=any(report.demo for report in reports),
    )  # fmt: skip


def split_nights(nights: Sequence[date]) -> list[range]:
    """Splits nights into grids, the newest first, as ranges of their places."""
    return [range(max(end - CHUNK, 0), end) for end in range(len(nights), 0, -CHUNK)]
