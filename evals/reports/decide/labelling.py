"""How much of a night people judged, and what the answers without a label could change.

Nothing is assumed of those answers: a figure is shown with all of them failing and all passing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_people_row
from evals.evaluators.registry import is_recorded
from evals.reports.decide.rows import Covered, Rate
from evals.statistics import Difference, Interval, Proportion

Key = tuple[str, str]
"""Dimension and evaluator version: people's labels on one dimension."""


class Labelling(NamedTuple):
    """How many of the covered answers people, or another annotator, judged."""

    covered: int
    unlabelled: int
    needed: float = 0.0
    """The share that has to be judged before the row decides."""

    @property
    def coverage(self) -> float:
        """The share of covered answers with a label, whatever it means."""
        return 1 - self.unlabelled / self.covered if self.covered else 1.0

    @property
    def is_complete(self) -> bool:
        """Whether enough was judged for the row to decide."""
        return self.coverage >= self.needed


def is_from_people(row: Rate) -> bool:
    """Whether the verdicts are what people decided, which may decide a night."""
    return is_recorded(row.kind) and is_people_row(row.dimension, row.evaluator)


def measure_labelling(rates: Iterable[Rate], coverage: Iterable[Covered]) -> dict[Key, Labelling]:
    """Measures how much of one night people judged, adjudicated or not, by dimension.

    Args:
        rates: the night's rows.
        coverage: how many traces each evaluator covers.
    """
    judged, covered = Counter[Key](), dict[Key, int]()
    for row in rates:
        if row.slice == "all" and is_from_people(row):
            judged[row.dimension, row.evaluator_version] += row.n
    for row in coverage:
        if is_people_row(row.dimension, row.evaluator):
            covered[row.dimension, row.evaluator_version] = row.covered
    totals = {key: max(n, covered.get(key, n)) for key, n in judged.items()}
    return {key: Labelling(totals[key], totals[key] - judged[key]) for key in judged}


def bound_rate(rate: Proportion, unlabelled: int) -> Interval | None:
    """Returns the 95% interval of a rate if all answers without a label failed, or all passed."""
    if not rate.n:
        return None
    total = rate.n + unlabelled
    size = rate.size / rate.n * total
    low = Proportion(rate.passed, total, size).interval().low
    return Interval(low, Proportion(rate.passed + unlabelled, total, size).interval().high)


def widen_difference(
    d: Difference, before: Proportion, after: Proportion, unlabelled: tuple[int, int]
) -> Difference:
    """Widens a change by what answers without a label could change; p is 1 where that is all of it.

    Args:
        d: the change of the labelled answers.
        before: the rate of the labelled answers before.
        after: the same after.
        unlabelled: answers without a label, before and after.
    """
    if not any(unlabelled) or not before.n or not after.n:
        return d
    missing_before, missing_after = (
        count / (side.n + count) for count, side in zip(unlabelled, (before, after), strict=True)
    )
    fall = after.rate * missing_after + (1 - before.rate) * missing_before
    rise = (1 - after.rate) * missing_after + before.rate * missing_before
    low, high = max(-1.0, d.low - fall), min(1.0, d.high + rise)
    return Difference(d.change, low, high, 1.0 if low <= 0 <= high else d.p)
