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


class Together(NamedTuple):
    """A slice over several nights with one evaluator version, beside the rest of those nights."""

    nights: int
    part: Proportion
    rest: Proportion
    """Each night's rest counts as often as the slice has answers in it."""
    difference: Difference


class Beside(NamedTuple):
    """A row of a slice beside all other answers of the night."""

    row: Result
    whole: Result
    """The same of all answers."""
    rest: Proportion | None
    """All others; None where there are none, or where rates are weighted."""
    difference: Difference | None
    """The slice minus the rest."""
    together: Together | None = None
    """The same over the nights at hand; None of a single one."""
    p: float = 1.0
    """Adjusted for all rows of all slices that decide (Holm); 1 of a row that does not."""

    @property
    def compared(self) -> Difference | None:
        """The difference that counts: of the nights together where there are several."""
        return self.together.difference if self.together else self.difference

    @property
    def is_worse(self) -> bool:
        """Whether it passes less than the rest, beyond chance."""
        return self.compared is not None and self.compared.change < 0 and self.p < WORSE

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
        return [one._replace(together=self.pool_nights(name, one)) for one in compared]

    def pool_nights(self, name: str, one: Beside) -> Together | None:
        """Adds up the nights of a slice that have a rest and the same evaluator version."""
        nights = [
            (measure_row(row), before.rest)
            for place in range(len(self.reports))
            if (row := self.get_row(place, name, one.row.key)) and row.scored
            and row.evaluator_version == one.row.evaluator_version
            and (whole := self.get_row(place, "all", one.row.key))
            and (before := compare_rows(row, whole)).rest
        ]  # fmt: skip
        pairs = [(part, rest) for part, rest in nights if rest]
        if len(pairs) < 2:
            return None
        part = Proportion(
            sum(own.passed for own, _ in pairs),
            sum(own.n for own, _ in pairs),
            sum(own.size for own, _ in pairs),
        )
        rest = weigh_rest(pairs)
        return Together(len(pairs), part, rest, compare_rates(rest, part))

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
        return Beside(row, whole, None, None)
    rest = every.subtract(part)
    return Beside(row, whole, rest, compare_rates(rest, part))


def weigh_rest(pairs: Sequence[tuple[Proportion, Proportion]]) -> Proportion:
    """Weighs each night's rest by the answers of the slice in it, so that nights do not confound.

    Args:
        pairs: the slice and the rest of each night.
    """
    total = sum(part.n for part, _ in pairs)
    rate = sum(part.n * rest.rate for part, rest in pairs) / total
    variance = sum(
        (part.n / total) ** 2 * (smooth := (rest.passed + 1) / (rest.n + 2)) * (1 - smooth)
        / rest.size
        for part, rest in pairs
    )  # fmt: skip
    near = (rate * total + 1) / (total + 2)
    n = sum(rest.n for _, rest in pairs)
    size = min(float(n), near * (1 - near) / variance)
    return Proportion(rate * n, n, size)


def adjust_rows(slices: Sequence[Sequence[Beside]]) -> list[list[Beside]]:
    """Adjusts the p of every row that decides for all rows of all slices (Holm)."""
    deciding = [
        (at, place)
        for at, rows in enumerate(slices)
        for place, one in enumerate(rows)
        if one.whole.decides and one.compared
    ]
    ps = [compared.p for at, place in deciding if (compared := slices[at][place].compared)]
    adjusted = dict(zip(deciding, holm(ps), strict=True))
    return [
        [one._replace(p=adjusted.get((at, place), 1.0)) for place, one in enumerate(rows)]
        for at, rows in enumerate(slices)
    ]


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
