"""Small charts as geometry: points, scales, interval bands, and a description in words.

Computes no rate or interval; templates draw the charts.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from evals.readable import shorten_values
from evals.reports.cause_rows import Cause
from evals.reports.phrases import count_in_words, format_day, format_percent
from evals.reports.report import Report
from evals.reports.sections import provenance, results
from evals.reports.sections.provenance import ValueCount
from evals.reports.sections.slices import WorseSlice


class Point(NamedTuple):
    """One night of one dimension."""

    date: date
    rate: float | None
    low: float | None
    high: float | None
    n: int
    coverage: float | None
    changed: tuple[str, ...]


class Scale(NamedTuple):
    """Maps shares of 0..1 to coordinates, over the range of the data."""

    low: float
    high: float
    size: float
    pad: float = 6.0

    def locate(self, share: float) -> float:
        """Returns a share's distance from the start of the scale, in user units."""
        part = min(max((share - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(self.pad + part * (self.size - 2 * self.pad), 1)


class Trend(NamedTuple):
    """The geometry of a small chart: rate lines, interval bands, version marks."""

    width: int
    height: int
    lines: tuple[str, ...]
    bands: tuple[str, ...]
    marks: tuple[tuple[float, str], ...]
    ends: tuple[tuple[float, float], ...]
    """The shares at the lower and upper edge, with their heights."""
    baseline: float | None
    last: tuple[float, float] | None
    points: tuple[Point, ...]
    text: str
    """The chart in a sentence."""
    beside: tuple[str, ...] = ()
    """Lines of another rate on the same scale."""

    def count_measured(self) -> int:
        """Returns how many nights have a rate."""
        return sum(point.rate is not None for point in self.points)


def make_scale(values: Iterable[float | None], size: float) -> Scale:
    """Makes a scale in tens of percent around all values: at least 40 points, a round middle."""
    shown = [value for value in values if value is not None] or [0.0, 1.0]
    low, high = math.floor(min(shown) * 10), math.ceil(max(shown) * 10)
    high = min(max(high, low + 4), 10)
    low = max(min(low, high - 4), 0)
    odd = (high - low) % 2
    return Scale((low - (odd and low > 0)) / 10, (high + (odd and low == 0)) / 10, size)


def collect_points(
    reports: Sequence[Report], key: tuple[str, str], part: str = "all"
) -> list[Point]:
    """Collects the rates of a dimension and evaluator over nights; None where not measured.

    Args:
        reports: of the nights.
        key: the dimension and evaluator.
        part: the slice.
    """
    points = list[Point]()
    for report, changed in zip(reports, list_version_changes(reports), strict=True):
        rows = report[results.SECTION]
        row = next((r for r in rows if r.slice == part and r.key == key), None)
        if row:
            rate = row.compared_rate
            shown = (rate.rate, rate.low, rate.high, row.scored, row.coverage)
            points.append(Point(report.date, *shown, changed))
        else:
            points.append(Point(report.date, None, None, None, 0, None, changed))
    return points


def draw_trend(
    nights: Sequence[Point], size: tuple[int, int], low: float, high: float, base: float | None
) -> Trend:
    """Draws the chart of a dimension over nights.

    Args:
        nights: the points, oldest first.
        size: width and height in user units.
        low: the share at the lower edge.
        high: the share at the upper edge.
        base: the baseline's rate; None for none.
    """
    width, height = size
    up = Scale(low, high, height)
    step = (width - 12) / max(len(nights) - 1, 1)

    def locate_height(share: float | None) -> float:
        return round(height - up.locate(share or 0.0), 1)

    start = 6.0 if len(nights) > 1 else width / 2
    placed = [(round(start + step * index, 1), night) for index, night in enumerate(nights)]
    runs = [
        [(x, locate_height(p.rate), locate_height(p.low), locate_height(p.high)) for x, p in group]
        for is_measured, group in itertools.groupby(
            placed, key=lambda pair: pair[1].rate is not None
        )
        if is_measured
    ]
    x, end = placed[-1]
    return Trend(
        width,
        height,
        lines=tuple(_draw_path((x, rate) for x, rate, _, _ in run) for run in runs),
        bands=tuple(_draw_band(run) for run in runs),
        marks=tuple((x, "; ".join(p.changed)) for x, p in placed if p.changed),
        ends=tuple((share, locate_height(share)) for share in (low, high)),
        baseline=None if base is None else locate_height(base),
        last=None if end.rate is None else (x, locate_height(end.rate)),
        points=tuple(nights),
        text=_describe_trend(nights),
    )


def draw_slice_trend(row: WorseSlice, size: tuple[int, int] = (280, 60)) -> Trend:
    """Draws the chart of a slice over nights."""
    points = [Point(t.night, t.rate, t.low, t.high, t.n, None, ()) for t in row.trend]
    span = make_scale((v for p in points for v in (p.rate, p.low, p.high)), size[1])
    empty = Point(date.min, None, None, None, 0, None, ())
    return draw_trend(points or [empty], size, span.low, span.high, None)


def draw_beside(points: Sequence[Point], other: Sequence[Point], size: tuple[int, int]) -> Trend:
    """Draws the chart of a rate over nights, with the line of another one beside it."""
    rates = [v for p in points for v in (p.rate, p.low, p.high)] + [p.rate for p in other]
    span = make_scale(rates, size[1])
    drawn = draw_trend(points, size, span.low, span.high, None)
    return drawn._replace(beside=draw_trend(other, size, span.low, span.high, None).lines)


def _draw_band(run: Sequence[tuple[float, float, float, float]]) -> str:
    """Draws the outline of an interval over nights; a single night gets a width."""
    wide = 2.0 if len(run) == 1 else 0.0
    upper = [(run[0][0] - wide, run[0][3]), *((x, high) for x, _, _, high in run)]
    upper.append((run[-1][0] + wide, run[-1][3]))
    lower = [(run[0][0] - wide, run[0][2]), *((x, low) for x, _, low, _ in run)]
    lower.append((run[-1][0] + wide, run[-1][2]))
    return _draw_path([*upper, *reversed(lower)]) + "Z"


def _draw_path(corners: Iterable[tuple[float, float]]) -> str:
    pairs = [f"{x:.1f},{y:.1f}" for x, y in corners]
    return "M" + "L".join(pairs if len(pairs) > 1 else pairs * 2)


def _describe_trend(nights: Sequence[Point]) -> str:
    measured = [p for p in nights if p.rate is not None]
    if not measured:
        return "not measured on any night"
    rates = [p.rate or 0.0 for p in measured]
    last = measured[-1]
    counted = "one night" if len(measured) == 1 else f"{count_in_words(len(measured))} nights"
    changes = "".join(
        f"; {format_day(p.date, 'short')}: {', '.join(p.changed)}" for p in nights if p.changed
    )
    return (
        f"{counted} to {format_day(last.date, 'plain')}: between {format_percent(min(rates))} and "
        f"{format_percent(max(rates))}, "
        f"last {format_percent(last.rate, last.low, last.high)}{changes}"
    )


def list_shares(cause: Cause) -> list[tuple[str, float, float]]:
    """Returns a cause's values with their shares before and after, largest after first."""
    before = {row.value: row.share for row in cause.before}
    after = {row.value: row.share for row in cause.after}
    rows = [(value, before.get(value, 0.0), after.get(value, 0.0)) for value in before | after]
    return sorted(rows, key=lambda row: (-row[2], -row[1], row[0]))


def list_version_changes(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """Lists for each report of an application, oldest first, the versions that changed.

    A prompt, model or other version counts when it is new and answers a tenth of the traces, or
    when it becomes the majority; an evaluator when its version differs.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    main: dict[str, str] = {}
    marks = list[tuple[str, ...]]()
    for report in reports:
        changed: list[str] = []
        origin = report[provenance.SECTION]
        for name, values in sorted(origin.traces.items()):
            if name in ("prompt_version", "model") or name.startswith("versions."):
                changed += _list_field_changes(name, values, seen, main)
        for evaluator in origin.evaluators:
            versions = seen[f"evaluator {evaluator.name}"]
            if versions and evaluator.version not in versions:
                changed.append(f"evaluator {evaluator.name}")
            versions.clear()
            versions.add(evaluator.version)
        marks.append(tuple(changed))
    return marks


def _list_field_changes(
    name: str, values: Sequence[ValueCount], seen: dict[str, set[str]], main: dict[str, str]
) -> list[str]:
    """Lists the changes of one field: new values, or another majority."""
    total = sum(value.n for value in values) or 1
    label = {"prompt_version": "prompt"}.get(name, name.removeprefix("versions."))
    top = max(values, key=lambda value: value.n, default=None)
    short = shorten_values([str(value.value) for value in values] + [main.get(name)], name)
    new = [
        short[str(value.value)]
        for value in values
        if str(value.value) not in seen[name] and value.n >= total / 10
    ]
    changes = [f"{label} {value}" for value in new] if seen[name] else []
    if top and top.n > total / 2:
        before, after = main.get(name), str(top.value)
        if before is not None and before != after:
            changes = [f"{label} {short[before]} → {short[after]}"]
        main[name] = after
    seen[name].update(str(value.value) for value in values)
    return changes
