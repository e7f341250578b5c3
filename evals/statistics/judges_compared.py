"""Two judges on the same labels: the difference of their balanced accuracy, paired by answer.

Balanced accuracy is the mean of TPR and TNR, so that the commoner verdict does not decide.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

from evals.statistics.comparisons import mcnemar
from evals.statistics.corrections import Estimate
from evals.statistics.intervals import ALPHA, t_quantile
from evals.statistics.paired import PairedMean, measure_difference
from evals.statistics.proportions import Proportion

Decided = Literal["better", "worse", "undecided"]


class Compared(NamedTuple):
    """One answer that people decided on, and whether two judges decided as they did."""

    passed: bool
    """What people decided."""
    first: bool
    second: bool
    cluster: Hashable
    """Its session: answers of one are alike."""


class JudgeDifference(NamedTuple):
    """The first judge's balanced accuracy minus the second's."""

    value: float
    low: float
    high: float
    only_first: int
    """Answers that the first alone judged as people did."""
    only_second: int
    p: float
    """McNemar's exact p of these two numbers, whatever the class."""

    @property
    def result(self) -> Decided:
        """What it shows of the first judge."""
        return decide(self.low, self.high)


def decide(low: float, high: float) -> Decided:
    """Decides whether a difference is one: a gain is claimed only where the interval excludes 0."""
    if low > 0:
        return "better"
    return "worse" if high < 0 else "undecided"


def compare_judges(answers: Sequence[Compared], alpha: float = ALPHA) -> JudgeDifference | None:
    """Compares two judges on the same answers; None without answers of both classes.

    The standard error of each class is clustered by session, and at least that of Agresti and Min
    (2005), who add half an answer to each of the four cells: where few answers differ, what is seen
    of the spread is too small.
    """
    sides = [[one for one in answers if one.passed is side] for side in (True, False)]
    if not all(sides):
        return None
    passes, fails = map(measure_side, sides)
    value = (passes.value + fails.value) / 2
    error = math.hypot(passes.error, fails.error) / 2
    reach = t_quantile(max(1, min(passes.clusters, fails.clusters) - 1), alpha) * error
    first = sum(one.first and not one.second for one in answers)
    second = sum(one.second and not one.first for one in answers)
    interval = (max(-1.0, value - reach), min(1.0, value + reach))
    return JudgeDifference(value, *interval, first, second, mcnemar(second, first))


def measure_side(answers: Sequence[Compared]) -> PairedMean:
    """Returns the paired difference of one class with the larger of the two standard errors."""
    measured = measure_difference(
        [float(one.first) - float(one.second) for one in answers], [one.cluster for one in answers]
    )
    gained = sum(one.first and not one.second for one in answers) + 0.5
    lost = sum(one.second and not one.first for one in answers) + 0.5
    n = len(answers) + 2
    least = math.sqrt((gained + lost - (gained - lost) ** 2 / n) / n**2)
    return measured._replace(error=max(measured.error, least))


def measure_balanced(answers: Sequence[tuple[bool, bool]], alpha: float = ALPHA) -> Estimate | None:
    """Returns one judge's balanced accuracy with its interval; None without both classes.

    Args:
        answers: what people decided, and what the judge did.
        alpha: the two-sided level.
    """
    sides = [[judged is passed for passed, judged in answers if passed is side]
             for side in (True, False)]  # fmt: skip
    if not all(sides):
        return None
    rates = [Proportion(sum(side), len(side)) for side in sides]
    return average_rates(*(Estimate(rate.rate, *rate.interval(alpha)) for rate in rates))


def average_rates(one: Estimate, other: Estimate) -> Estimate:
    """Returns the mean of two independent rates, with its interval by MOVER.

    Source: Zou and Donner 2008, Statistics in Medicine 27, for the sum of two estimates.
    """
    value = (one.value + other.value) / 2
    below = math.hypot(one.value - one.low, other.value - other.low) / 2
    above = math.hypot(one.high - one.value, other.high - other.value) / 2
    return Estimate(value, value - below, value + above)
