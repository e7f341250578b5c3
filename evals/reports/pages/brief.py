"""What a person needs first of a slipped night: what fell, for whom, why, whose, what next.

Selects from the report; computes no figure.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.reports.decide.falls import ALL, Key
from evals.reports.incident_rows import Involved, name_series
from evals.reports.pages.answers import name_list
from evals.reports.pages.marks import locate_page
from evals.reports.phrases import format_day, format_percent, format_points
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import causes, incidents, results, slices
from evals.reports.sections.slices import WorseSlice
from evals.storage.answer_pages import LISTS

MOST = 3
"""Slices and causes that are shown."""


class ToRead(NamedTuple):
    """A list of failing answers."""

    dimension: str
    n: int
    href: str


class Brief(NamedTuple):
    """The first lines of a slipped night."""

    fell: list[str]
    whom: list[str]
    why: list[str]
    owner: str
    read: list[ToRead]
    incidents: list[str]
    """Names of those that are open."""
    next: str
    """A command."""


def build_brief(report: Report) -> Brief | None:
    """Builds the brief of a night; None where nothing fell and nothing is still down."""
    slipped = [row for row in report[results.SECTION] if row.decides and row.verdict == "slipped"]
    still_open = report[incidents.SECTION].list_open()
    down = {rate.series: rate for row in still_open for rate in row.rates if not rate.recovered}
    keys = list(dict.fromkeys([*(row.series for row in slipped), *down]))
    if not keys:
        return None
    by_key = {row.series: row for row in report[results.SECTION]}
    lists = dict.fromkeys((*key[:2], ALL) for key in keys)
    names = [row.name for row in still_open]
    return Brief(
        fell=[describe_fall(key, by_key.get(key), down.get(key)) for key in keys],
        whom=list_slices(report, {dimension for dimension, *_ in keys}),
        why=list_causes(report, {(dimension, evaluator) for dimension, evaluator, _ in keys}),
        owner=report.owner.replace("team:", "team "),
        read=[
            ToRead(row.dimension, row.failed, f"../{LISTS}/{name_list(row.dimension)}")
            for key in lists
            if (row := by_key.get(key)) and row.failed
        ],
        incidents=names,
        next=choose_command(report, names),
    )


def describe_fall(key: Key, row: Result | None, rate: Involved | None) -> str:
    """Describes what fell: from where to where, since when, and whether it misses its target."""
    name = name_series(key)
    since = f", since {format_day(rate.first, 'plain')}" if rate else ""
    if row is None or row.rate is None or not row.baseline:
        if rate:
            before, after = format_percent(rate.before), format_percent(rate.after)
            return f"{name}: {before} before, {after}{since}"
        shown = format_percent(row.rate, row.low, row.high) if row else "–"
        return f"{name}: {shown}{describe_target(row)}"
    before = format_percent(row.baseline.rate)
    now = format_percent(row.rate, row.low, row.high)
    points = format_points(row.change, row.change_low, row.change_high)
    return f"{name}: {before} before, {now} now ({points} points){since}{describe_target(row)}"


def describe_target(row: Result | None) -> str:
    """Describes a target that is missed; empty where it is not."""
    if row is None or row.target is None or row.rate is None or row.rate >= row.target:
        return ""
    return f", below its target of {format_percent(row.target)}"


def list_slices(report: Report, dimensions: set[str]) -> list[str]:
    """Lists the slices that do worse than the whole on one of some dimensions."""
    return [
        f"{row.slice}: {format_percent(row.rate, row.low, row.high)} of {row.n:,} pass "
        f"{row.dimension}, {describe_others(row)}"
        for row in report[slices.SECTION]
        if row.dimension in dimensions
    ][:MOST]


def describe_others(row: WorseSlice) -> str:
    """Describes the rate that a slice is compared with."""
    if row.rest_rate is None:
        return f"{format_percent(row.parent_rate)} of all"
    return f"{format_percent(row.rest_rate)} of all others"


def list_causes(report: Report, keys: set[tuple[str, str]]) -> list[str]:
    """Lists what changed with one of some rates, each once; the evidence is further down."""
    words = (cause.words for cause in report[causes.SECTION] if cause.key in keys)
    return list(dict.fromkeys(text.partition(";")[0] for text in words))[:MOST]


def choose_command(report: Report, open_incidents: list[str]) -> str:
    """Chooses the command to run next; empty where a name in it is not plain."""
    if locate_page(report) is None:
        return ""
    if open_incidents:
        return f"andon incident show {open_incidents[0]}"
    return f"andon report show --app {report.app} --date {report.date.isoformat()} --slices"
