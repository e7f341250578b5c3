"""A slice beside the rest of its night: both rates, their difference, and since when.

Figures of the page of a slice; which slices stand out is decided in `sections.slices`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from evals.reports.decide.blessed import find_size
from evals.reports.report import Report
from evals.reports.result_rows import Result
from evals.reports.sections import results, slices
from evals.reports.sections.slices import WorseSlice
from evals.statistics import Difference, Proportion, compare_rates, holm
from evals.statistics.intervals import Interval

WORSE = 0.05
"""The adjusted p below which a slice counts as different from the rest."""

RateKey = tuple[str, str]
"""Dimension and evaluator."""


class Beside(NamedTuple):
    """A row of a slice beside all other answers of the night."""

    row: Result
    whole: Result
    """The same of all answers."""
    rest: Proportion | None
    """All others; None where there are none, or where rates are weighted."""
    difference: Difference | None
    """The slice minus the rest."""
    p: float
    """Adjusted for the slice's other rows that decide (Holm); 1 of a row that does not."""

    @property
    def is_worse(self) -> bool:
        """Whether it passes less than the rest, beyond chance."""
        return self.difference is not None and self.difference.change < 0 and self.p < WORSE

    @property
    def rest_interval(self) -> Interval | None:
        """The 95% interval of the rate of the rest."""
        return self.rest.interval() if self.rest else None


class SliceNights:
    """The rows of an application's slices over its reports, oldest first."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.reports = reports
        self.rows: list[Mapping[str, Mapping[RateKey, Result]]] = [
            group_rows(report) for report in reports
        ]

    def list_slices(self) -> dict[str, int]:
        """Lists the slices that have rows, each with the place of its last report."""
        return {
            name: place
            for place, by_slice in enumerate(self.rows)
            for name in by_slice
            if name != "all"
        }

    def get_row(self, place: int, name: str, key: RateKey) -> Result | None:
        """Returns a row of a slice in a report; None where it has none."""
        return self.rows[place].get(name, {}).get(key)

    def compare_slice(self, place: int, name: str) -> list[Beside]:
        """Compares a slice with the rest of a night, in the order of the report."""
        pairs = [
            (row, whole)
            for key, row in self.rows[place].get(name, {}).items()
            if (whole := self.get_row(place, "all", key)) and row.scored
        ]
        compared = [compare_rows(row, whole) for row, whole in pairs]
        deciding = [
            at
            for at, one in enumerate(compared)
            if one.whole.decides and one.difference is not None
        ]
        adjusted = holm([one.p for one in (compared[at] for at in deciding)])
        by_place = dict(zip(deciding, adjusted, strict=True))
        return [one._replace(p=by_place.get(at, 1.0)) for at, one in enumerate(compared)]

    def find_below(self, name: str, key: RateKey, last: int) -> date | None:
        """Finds the night since which a slice passed less than the rest on each of its nights."""
        first = None
        for place in range(last, -1, -1):
            row, whole = self.get_row(place, name, key), self.get_row(place, "all", key)
            if row is None or whole is None or not row.scored:
                continue
            rest = whole.scored - row.scored
            if not rest or row.passed * rest >= (whole.passed - row.passed) * row.scored:
                break
            first = self.reports[place].date
        return first


def group_rows(report: Report) -> dict[str, dict[RateKey, Result]]:
    """Groups the rows of a report by slice, and by dimension and evaluator."""
    grouped: dict[str, dict[RateKey, Result]] = defaultdict(dict)
    for row in report[results.SECTION]:
        grouped[row.slice][row.key] = row
    return grouped


def compare_rows(row: Result, whole: Result) -> Beside:
    """Compares a row of a slice with the rest, without an adjustment."""
    part, every = measure_row(row), measure_row(whole)
    if row.weighted or whole.weighted or whole.scored <= row.scored:
        return Beside(row, whole, None, None, 1.0)
    rest = every.subtract(part)
    difference = compare_rates(rest, part)
    return Beside(row, whole, rest, difference, difference.p)


def measure_row(row: Result) -> Proportion:
    """Returns a row's rate with the sample size that its interval shows."""
    if row.rate is None or row.low is None or row.high is None:
        return Proportion(row.passed, row.scored)
    return Proportion(row.passed, row.scored, find_size(row.rate, row.high - row.low))


class Confirmed(NamedTuple):
    """A slice that a search found, as the last report that confirmed it has it."""

    row: WorseSlice
    report: Report
    nights: list[date]
    """Those that confirmed it, oldest first."""


def list_confirmed(reports: Sequence[Report]) -> dict[str, list[Confirmed]]:
    """Lists the slices that searches found and confirmed, each by dimension and evaluator."""
    found: dict[str, dict[RateKey, Confirmed]] = defaultdict(dict)
    for report in reports:
        for row in report[slices.SECTION]:
            key = (row.dimension, row.evaluator)
            before = found[row.slice].get(key)
            nights = [*(before.nights if before else ()), report.date]
            found[row.slice][key] = Confirmed(row, report, nights)
    return {
        name: sorted(rows.values(), key=lambda one: (one.report.date, one.row.excess), reverse=True)
        for name, rows in found.items()
    }
