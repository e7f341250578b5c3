"""The pages of slices: each beside the rest of its application, and the list of them all.

Selects and draws; the figures are those of the reports and of `slice_rates`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.evaluators.registry import is_recorded
from evals.records import digest
from evals.reports.pages.answers import name_list
from evals.reports.pages.brief import ToRead
from evals.reports.pages.charts import (
    Point,
    Scale,
    Trend,
    draw_beside,
    draw_slice_trend,
    list_version_changes,
    make_scale,
)
from evals.reports.pages.environment import load_environment
from evals.reports.pages.marks import get_verdict, locate_page
from evals.reports.pages.trace_links import HasPage, locate_traces
from evals.reports.phrases import count_in_words, format_day, format_percent, join_names
from evals.reports.report import Report
from evals.reports.sections import settings
from evals.reports.sections.examples import Example
from evals.reports.sections.settings import SliceSettings
from evals.reports.slice_rates import Beside, Confirmed, SliceNights, adjust_rows
from evals.storage.answer_pages import LISTS
from evals.storage.report_files import PAGE

FOLDER = "slices"
SIZE, FOUND_SIZE = (270, 84), (560, 120)
MOST = 300
"""Slices of an application with a page, the largest first."""
NAMED = 3
"""Dimensions that a first line names."""

EXAMPLES = 5


class Shown(NamedTuple):
    """A slice of an application."""

    name: str
    href: str
    """Its page, below the board."""
    place: int
    """The place of the last report that has it."""
    beside: Sequence[Beside]
    """Its rows of that night."""
    confirmed: Sequence[Confirmed]
    """As searches found it, the newest first."""

    @property
    def worse(self) -> list[Beside]:
        """The rows that decide and are worse than the rest beyond chance."""
        return [one for one in self.beside if one.is_worse]

    @property
    def is_comparable(self) -> bool:
        """Whether a rate that decides has a rest to compare with."""
        return any(one.compared and one.whole.decides for one in self.beside)

    @property
    def size(self) -> int:
        """Its answers on that night."""
        return max((one.row.n for one in self.beside), default=0)


class Read(NamedTuple):
    """A failing answer to read, with the page of its trace."""

    example: Example
    href: str | None


def locate_slices(app: str) -> str | None:
    """Returns the path of the list of an application's slices; None if `app` is not plain."""
    from evals.specs import NAME

    return f"{FOLDER}/{app}/{PAGE}" if re.fullmatch(NAME, app, re.ASCII) else None


def locate_slice(app: str, name: str) -> str | None:
    """Returns the path of a slice's page below the board; None if `app` is not plain."""
    if (cover := locate_slices(app)) is None:
        return None
    is_plain = re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name, re.ASCII) and name != "index"
    return cover.replace(PAGE, f"{name if is_plain else digest(name)}.html")


def list_shown(nights: SliceNights, confirmed: Mapping[str, Sequence[Confirmed]]) -> list[Shown]:
    """Lists the slices that have a page: those that were found, then the largest declared ones."""
    app = nights.reports[-1].app
    places = nights.list_slices()
    last = {report.date: place for place, report in enumerate(nights.reports)}
    shown: list[Shown] = []
    for name in dict.fromkeys([*confirmed, *places]):
        found = confirmed.get(name, ())
        place = max(places.get(name, 0), last[found[0].report.date] if found else 0)
        if href := locate_slice(app, name):
            shown.append(Shown(name, href, place, nights.compare_slice(place, name), found))
    rows = adjust_rows([one.beside for one in shown])
    shown = [one._replace(beside=own) for one, own in zip(shown, rows, strict=True)]
    shown.sort(key=lambda one: (-one.place, not one.worse, not one.confirmed, -one.size, one.name))
    return shown[:MOST]


def render_slice(shown: Shown, nights: SliceNights, has_page: HasPage) -> str:
    """Renders the page of a slice.

    Args:
        shown: the slice.
        nights: the rows of its application's reports.
        has_page: whether a page exists, so that none is linked that does not.
    """
    report = nights.reports[shown.place]
    own = [one for one in shown.beside if not is_recorded(one.row.kind)] or shown.beside
    return load_environment().get_template("slice.html").render(
        name=shown.name,
        report=report,
        is_addressed=True,
        pages={},
        night=locate_page(report),
        sentence=describe_slice(shown, report),
        definition=find_definition(report, shown.name),
        beside=own,
        axis=make_axis(own),
        since=list_since(shown, nights, own),
        charts=[(one, draw_nights(shown.name, one, nights)) for one in own],
        found=[(one, draw_slice_trend(one.row, FOUND_SIZE)) for one in shown.confirmed],
        terms=next((one.row for one in shown.confirmed if one.row.terms), None),
        keywords=list(dict.fromkeys(w for one in shown.confirmed for w in one.row.keywords)),
        line=next((one.row.line for one in shown.confirmed if one.row.line), ""),
        read=list_lists(shown, report, own, has_page),
        examples=list_examples(shown, report, has_page),
        verdicts={one.date: (get_verdict(one), locate_page(one)) for one in nights.reports},
        size=shown.size,
        share=compute_share(own),
    )  # fmt: skip


def render_slices(shown: Sequence[Shown], nights: SliceNights) -> str:
    """Renders the list of an application's slices."""
    report = nights.reports[-1]
    last = len(nights.reports) - 1
    return load_environment().get_template("slices.html").render(
        report=report,
        night=locate_page(report),
        sentence=describe_slices([one for one in shown if one.place == last], report),
        slices=[one for one in shown if one.place == last],
        earlier=[(one, nights.reports[one.place].date) for one in shown if one.place < last],
        found=[one.name for one in shown if is_current(one, report)],
        most=MOST if len(shown) == MOST else None,
    )  # fmt: skip


def is_current(shown: Shown, report: Report) -> bool:
    """Whether the search of a night confirmed a slice."""
    return any(one.report.date == report.date for one in shown.confirmed)


def describe_slice(shown: Shown, report: Report) -> str:
    """Describes how good a slice is, and since when it was found, in a sentence."""
    at = format_day(report.date, "plain")
    found = [one for one in shown.confirmed if one.report.date == report.date]
    if found:
        row = found[0].row
        others = row.rest_rate if row.rest_rate is not None else row.parent_rate
        names = list(dict.fromkeys(one.row.dimension for one in found))
        since = min(one.nights[0] for one in found)
        return (
            f"{shown.name} fails {join_names(names[:NAMED])} more than the rest: "
            f"{format_percent(row.rate, row.low, row.high)} pass {row.dimension}, "
            f"{format_percent(others)} of all others; first confirmed on "
            f"{format_day(since, 'plain')}."
        )
    if worse := shown.worse:
        parts = [f"{one.row.dimension} ({describe_pair(one)})" for one in worse[:NAMED]]
        return f"{shown.name} passes less than the rest on {join_names(parts)}, to {at}."
    compared = [one for one in shown.beside if one.compared and one.whole.decides]
    if not compared:
        if any(one.row.weighted for one in shown.beside):
            return f"{shown.name} was sampled unlike the rest on {at}, so it is shown by itself."
        return f"Every answer of {at} is in {shown.name}, so there is no rest to compare it with."
    asked = f" on any of {count_in_words(len(compared))} questions" if len(compared) > 1 else ""
    nights = max((one.together.nights for one in compared if one.together), default=1)
    when = f"in {count_in_words(nights)} nights to {at}" if nights > 1 else f"on {at}"
    return f"{shown.name} does no worse than the rest{asked} beyond chance {when}."


def describe_pair(one: Beside) -> str:
    """Describes a slice's rate and that of the rest."""
    if one.together:
        part, rest = one.together.part, one.together.rest
        nights = count_in_words(one.together.nights)
        return (
            f"{format_percent(part.rate, *part.interval())} of {part.n:,} answers in {nights} "
            f"nights, all others {format_percent(rest.rate, *rest.interval())}"
        )
    rest = one.rest.rate if one.rest else None
    return f"{format_percent(one.row.rate)}, all others {format_percent(rest)}"


def describe_slices(shown: Sequence[Shown], report: Report) -> str:
    """Describes how many slices of a night stand out."""
    at = format_day(report.date, "plain")
    names = [one.name for one in shown if one.worse or is_current(one, report)]
    if not shown:
        return f"No slice had an answer on {at}."
    if not names:
        return f"No slice does worse than the rest beyond chance, to {at}."
    if len(names) <= NAMED:
        verb = "does" if len(names) == 1 else "do"
        return f"{join_names(names)} {verb} worse than the rest beyond chance, to {at}."
    return f"{len(names)} of {len(shown)} slices do worse than the rest beyond chance, to {at}."


def find_definition(report: Report, name: str) -> SliceSettings | None:
    """Finds the line of the catalog that a slice comes from."""
    own = name.partition("=")[0]
    return next((one for one in report[settings.SECTION].slices if one.slice in (name, own)), None)


def make_axis(rows: Sequence[Beside]) -> Scale:
    """Makes the scale of the rates of a night."""
    return make_scale(
        (v for one in rows for v in (one.row.low, one.row.high, *(one.rest_interval or ()))), 240
    )


def list_since(
    shown: Shown, nights: SliceNights, rows: Sequence[Beside]
) -> dict[tuple[str, str], date | None]:
    """Lists since when each row is below the rest on every night; None where it is not."""
    return {
        one.row.key: nights.find_below(shown.name, one.row.key, shown.place)
        if one.difference
        else None
        for one in rows
    }


def draw_nights(name: str, one: Beside, nights: SliceNights) -> Trend:
    """Draws a slice over the nights at hand, with all answers as a line beside it."""
    changes = list_version_changes(nights.reports)
    points, whole = list[Point](), list[Point]()
    for place, (report, changed) in enumerate(zip(nights.reports, changes, strict=True)):
        for kind, into in ((name, points), ("all", whole)):
            row = nights.get_row(place, kind, one.row.key)
            rate = row.compared_rate if row else None
            shown = (rate.rate, rate.low, rate.high) if rate else (None, None, None)
            into.append(Point(
                report.date, *shown, row.scored if row else 0, row.coverage if row else None,
                changed,
            ))  # fmt: skip
    return draw_beside(points, whole, SIZE)


def compute_share(rows: Sequence[Beside]) -> float | None:
    """Returns the share of the night's answers that are in a slice."""
    most = max(rows, key=lambda one: one.whole.n, default=None)
    return most.row.n / most.whole.n if most and most.whole.n else None


def list_lists(
    shown: Shown, report: Report, rows: Sequence[Beside], has_page: HasPage
) -> list[ToRead]:
    """Lists the failing answers of a slice on its last night, by dimension."""
    if locate_page(report) is None:
        return []
    folder = f"{report.date.isoformat()}/{report.app}/{LISTS}"
    listed = {
        one.row.dimension: (
            one.row.failed,
            f"{folder}/{name_list(one.row.dimension, shown.name)}",
            f"{folder}/{name_list(one.row.dimension)}",
        )
        for one in rows
        if one.row.failed
    }
    return [
        ToRead(name, n, f"../../{href}")
        for name, (n, own, every) in listed.items()
        if (href := next((page for page in (own, every) if has_page(page)), None))
    ]


def list_examples(shown: Shown, report: Report, has_page: HasPage) -> list[Read]:
    """Lists failing answers of a found slice, each once, with the pages of their traces."""
    by_id = {e.trace_id: e for one in shown.confirmed for e in one.row.examples}
    links = locate_traces(by_id.values(), report.date, report.app, has_page, "../../")
    return [Read(one, links.get(one.trace_id)) for one in by_id.values()][:EXAMPLES]
