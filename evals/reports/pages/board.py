"""The board: every application over all nights, one page of HTML.

Turns reports into cells, sentences and small charts; figures are as reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.pages.charts import (
    Trend,
    collect_points,
    draw_trend,
    find_gaps,
    make_scale,
    version_marks,
)
from evals.reports.pages.environment import load_environment
from evals.reports.pages.marks import address, verdict_of
from evals.reports.phrases import count_in_words, join_names
from evals.reports.report import Report
from evals.reports.sections import provenance, results
from evals.reports.sections.provenance import Pin
from evals.reports.sections.results import Result

CHUNK = 14
"""Nights in one grid of the board."""


class Cell(NamedTuple):
    """One night of one application on the board."""

    date: date
    verdict: str
    """A key of `VERDICT_MARKS`; `missing` where there is no report."""
    href: str | None
    """The night's page, relative to the board; None where its address would not be safe."""
    sentence: str
    changed: tuple[str, ...]
    """Versions that changed that night, such as `prompt v2 → v3`."""
    versions: int
    """The number of the night's reports; the newest is shown."""


class BoardRow(NamedTuple):
    """One application over all nights of the board, oldest first."""

    app: str
    title: str
    cells: tuple[Cell, ...]
    reports: tuple[Report, ...]
    """Its reports, one a night, oldest first."""


def board_nights(reports: Iterable[Report]) -> list[date]:
    """Returns the nights that have a report, oldest first."""
    return sorted({report.date for report in reports})


def board_rows(reports: Sequence[Report]) -> list[BoardRow]:
    """Makes one row for each application; of several reports of a night the last is shown."""
    nights = board_nights(reports)
    found: dict[str, dict[date, list[Report]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        found[report.app][report.date].append(report)
    rows = list[BoardRow]()
    for app, by_night in sorted(found.items()):
        shown = [by_night[night][-1] for night in sorted(by_night)]
        marks = dict(zip(sorted(by_night), version_marks(shown), strict=True))
        cells = tuple(
            board_cell(night, by_night.get(night, []), marks.get(night, ())) for night in nights
        )
        rows.append(BoardRow(app, shown[-1].title or app, cells, tuple(shown)))
    return rows


def board_cell(night: date, reports: Sequence[Report], changed: tuple[str, ...]) -> Cell:
    """Makes the cell of one night of an application."""
    if not reports:
        return Cell(night, "missing", None, "No report.", (), 0)
    report = reports[-1]
    sentence = report.sentence or verdict_of(report)
    return Cell(night, verdict_of(report), address(report), sentence, changed, len(reports))


def board_sentence(rows: Sequence[BoardRow]) -> str:
    """Describes the board, as in `Two of three held last night; extraction slipped`."""
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_verdict[row.cells[-1].verdict].append(row.app)
    held, total = len(by_verdict["held"]), len(rows)
    if total == 1:
        opening = f"{rows[0].title} held last night" if held else ""
    elif held == total:
        opening = f"All {count_in_words(total)} held last night"
    else:
        opening = f"{count_in_words(held).capitalize()} of {count_in_words(total)} held last night"
    phrases = {
        "slipped": "slipped",
        "too close to call": "too close to call",
        "not measured": "not measured",
        "refused": "refused at validation",
        "missing": "without a report",
    }
    others = list[str]()
    for verdict, phrase in phrases.items():
        names = by_verdict[verdict]
        verb = "" if verdict == "slipped" else "was " if len(names) == 1 else "were "
        others += [f"{join_names(names)} {verb}{phrase}"] if names else []
    when = " last night" if not opening and others else ""
    return "; ".join(filter(None, (opening, *others))) + when + "."


def dimension_charts(row: BoardRow) -> list[tuple[Result, Trend]]:
    """Draws a chart of each dimension of an application, with its latest result, on one scale."""
    latest: dict[tuple[str, str], Result] = {}
    for report in reversed(row.reports):
        for result in report[results.SECTION]:
            if result.is_whole:
                latest.setdefault(result.key, result)
    found = {key: collect_points(row.reports, key) for key in latest}
    span = make_scale((v for s in found.values() for p in s for v in (p.rate, p.low, p.high)), 84)
    return [
        (
            result,
            draw_trend(
                found[key],
                (270, 84),
                span.low,
                span.high,
                result.baseline.rate if result.baseline else None,
            ),
        )
        for key, result in latest.items()
    ]


def unpinned_models(rows: Iterable[BoardRow]) -> dict[str, Pin]:
    """Returns the models of the latest reports that are not pinned, and why."""
    judges = (judge for row in rows for judge in row.reports[-1][provenance.SECTION].evaluators)
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
) -> str:
    """Renders the board over all nights and applications.

    Args:
        reports: in any order; of several of one night the last is shown.
        run: figures of the last run: `calls`, `reused`, `usd`, and `pins`, rows of `name`,
            `model`, `on` and `words` for models that end soon.
        provisional: nights whose rows may still come: `date`, `app` and `until`.

    Returns:
        One HTML file that links to the pages of the nights below it.
    """
    nights, rows = board_nights(reports), board_rows(reports)
    chunks = [range(max(end - CHUNK, 0), end) for end in range(len(nights), 0, -CHUNK)]
    return load_environment().get_template("board.html").render(
        sentence=board_sentence(rows) if rows else "No night has been reported yet.",
        rows=rows,
        latest={row.app: row.reports[-1].parts.by_name() for row in rows},
        nights=nights,
        chunks=chunks,
        charts={row.app: dimension_charts(row) for row in rows},
        gaps=find_gaps(nights),
        demo=any(report.demo for report in reports),
        run=run or {},
        provisional=provisional,
        unpinned=unpinned_models(rows),
    )  # fmt: skip
