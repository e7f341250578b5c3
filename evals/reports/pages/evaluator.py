"""The page of an evaluator: what it asks, how far people agree with it, versions and nights.

Selects from the reports of an application; computes no figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from evals.records import digest
from evals.reports.alignment import Alignment
from evals.reports.disagreements import Disagreement
from evals.reports.pages.answers import name_list
from evals.reports.pages.brief import ToRead
from evals.reports.pages.charts import Trend, collect_points, draw_trend, make_scale
from evals.reports.pages.environment import load_environment
from evals.reports.pages.marks import locate_page
from evals.reports.pages.texts import CutText, cut_text
from evals.reports.pages.trace_links import HasPage, assume_page
from evals.reports.phrases import format_percent, indent_json
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import agreement, attacks, classifiers, pairs, provenance, results
from evals.reports.sections.agreement import Agreed
from evals.specs import NAME
from evals.specs.model_families import find_family
from evals.storage.answer_pages import LISTS, TRACES, name_trace_page

FOLDER = "evaluators"
SIZE = (560, 120)
EXCERPT = 600


class Used(NamedTuple):
    """A version of an evaluator, and the first night at hand that used it."""

    version: str
    model: str | None
    first: date


def locate_evaluator(app: str, evaluator: str) -> str | None:
    """Returns the path of an evaluator's page below the board; None if `app` is not plain."""
    if not re.fullmatch(NAME, app, re.ASCII):
        return None
    is_plain = re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", evaluator, re.ASCII)
    return f"{FOLDER}/{app}/{evaluator if is_plain else digest(evaluator)}.html"


def list_evaluators(reports: Sequence[Report]) -> dict[str, int]:
    """Lists the evaluators of an application's reports, each with the place of its last one."""
    return {
        row.evaluator: place
        for place, report in enumerate(reports)
        for row in report[results.SECTION]
        if row.is_whole
    }


class Contradicted(NamedTuple):
    """A verdict that people contradict, to read."""

    found: Disagreement
    page: str
    """The file name of its trace's page."""
    href: str | None
    asked: CutText
    answered: CutText
    explanation: CutText
    critiques: Sequence[tuple[str, CutText]]
    """Who gave a label, and why."""


def render_evaluator(
    name: str,
    reports: Sequence[Report],
    disagreements: Sequence[Disagreement] = (),
    has_page: HasPage = assume_page,
    aligned: Sequence[Alignment] = (),
) -> str:
    """Renders the page of an evaluator.

    Args:
        name: the evaluator.
        reports: the reports of its application that are at hand, oldest first; the last has it.
        disagreements: verdicts of it that people contradict, to read.
        has_page: whether a page below the board exists.
        aligned: how far it agrees with people, where that decides whether it may decide.
    """
    report = reports[-1]
    rows = [row for row in report[results.SECTION] if row.is_whole and row.evaluator == name]
    agreed = [row for row in report[agreement.SECTION] if row.evaluator == name]
    attacked = [row for row in report[attacks.SECTION] if row.evaluator == name]
    folder = f"{report.date.isoformat()}/{report.app}/{LISTS}"
    return load_environment().get_template("evaluator.html").render(
        name=name,
        report=report,
        rows=[(row, draw_row(row, reports)) for row in rows],
        sentence=describe_evaluator(name, rows, agreed),
        agreed=agreed,
        aligned={(one.dimension, one.version): one for one in aligned},
        attacked=attacked,
        compared=[row for row in report[pairs.SECTION] if row.evaluator == name],
        classified=[
            (row, draw_curve(row))
            for row in report[classifiers.SECTION]
            if row.evaluator == name
        ],
        contradicted=[show_disagreement(one, has_page) for one in disagreements],
        wrong=sum(row.fn + row.fp for row in agreed),
        versions=list_used(name, reports),
        own_family=describe_own_family(name, report),
        read=[
            ToRead(row.dimension, row.failed, f"../../{place}")
            for row in rows
            if row.failed and locate_page(report)
            if has_page(place := f"{folder}/{name_list(row.dimension)}")
        ],
        night=locate_page(report),
    )  # fmt: skip


def describe_own_family(name: str, report: Report) -> str | None:
    """Describes how many answers a judge's own family wrote; None where it wrote none."""
    for row in report[provenance.SECTION].evaluators:
        family = find_family(row.model)
        if row.name == name and row.own_family and family:
            answers = "answer" if row.own_family == 1 else "answers"
            return (
                f"{row.own_family:,} {answers} of the night came from a model of its own family, "
                f"{family}. Judges tend to prefer what their own family writes: trust its verdicts "
                "on these as far as people's labels agree, or pin a judge of another family."
            )
    return None


def show_disagreement(found: Disagreement, has_page: HasPage) -> Contradicted:
    """Returns a disagreement with its texts cut, and the page of its trace where there is one."""
    row = found.row
    page = name_trace_page(row.trace_id)
    place = f"{row.date.isoformat()}/{row.app}/{TRACES}/{page}"
    return Contradicted(
        found,
        page,
        f"../../{place}" if has_page(place) else None,
        asked=cut_text(indent_json(found.asked), EXCERPT),
        answered=cut_text(indent_json(found.answered), EXCERPT),
        explanation=cut_text(found.explanation, EXCERPT),
        critiques=[(one.annotator, cut_text(one.critique, EXCERPT)) for one in found.labels],
    )


def describe_evaluator(name: str, rows: Sequence[Result], agreed: Sequence[Agreed]) -> str:
    """Describes how far people agree with an evaluator, and whether it decides."""
    decides = any(row.decides for row in rows)
    way = "it decides" if decides else "it is shown and not gating"
    labelled = [row for row in agreed if row.n]
    if not labelled:
        return f"{name}: people labelled none of its answers; {way}."
    one = labelled[0]
    return (
        f"{name} agrees with people on {one.tp + one.tn} of {one.n} answers: it passes "
        f"{format_percent(one.tpr, one.tpr_low, one.tpr_high)} of what they pass and fails "
        f"{format_percent(one.tnr, one.tnr_low, one.tnr_high)} of what they fail; {way}."
    )


class Mark(NamedTuple):
    """A point of a learning curve, in the units of its picture."""

    x: float
    y: float
    low: float
    high: float
    point: classifiers.Point


def draw_curve(row: classifiers.Classified) -> list[Mark]:
    """Draws agreement against the number of labels: from 0 labels on, between .5 and 1."""
    width, height = SIZE
    most = max((point.n for point in row.curve), default=1)

    def place(share: float) -> float:
        return round(height * (1 - max(0.0, share - 0.5) * 2), 1)

    return [
        Mark(
            round(width * point.n / most, 1),
            place(point.rate),
            place(point.low),
            place(point.high),
            point,
        )
        for point in row.curve
    ]


def list_used(name: str, reports: Sequence[Report]) -> list[Used]:
    """Lists the versions of an evaluator, each with its first night at hand, newest first."""
    found: dict[str, Used] = {}
    for report in reports:
        for row in report[provenance.SECTION].evaluators:
            if row.name == name:
                found.setdefault(row.version, Used(row.version, row.model, report.date))
    return list(reversed(found.values()))


def draw_row(row: Result, reports: Sequence[Report]) -> Trend:
    """Draws the rates of a dimension over the nights at hand."""
    points = collect_points(reports, row.key)
    span = make_scale((value for p in points for value in (p.rate, p.low, p.high)), SIZE[1])
    return draw_trend(points, SIZE, span.low, span.high, None)
