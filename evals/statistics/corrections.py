"""A judge against people's labels: how far they agree, and its rate corrected by that.

Labels sampled from its own answers are in `strata`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from evals.statistics.intervals import ALPHA, normal_quantile
from evals.statistics.proportions import Proportion


class Estimate(NamedTuple):
    """A corrected rate with its interval."""

    value: float
    low: float
    high: float


class Kappa(NamedTuple):
    """Cohen's κ and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge against human labels: counts of the 2 x 2 table, positive = pass."""

    tp: int
    """Both pass."""
    fn: int
    """The human passes it, the judge fails it."""
    fp: int
    """The human fails it, the judge passes it."""
    tn: int
    """Both fail."""

    @property
    def n(self) -> int:
        """Labels compared."""
        return self.tp + self.fn + self.fp + self.tn

    @property
    def passes(self) -> Proportion:
        """Of the answers humans pass, those the judge passes: TPR."""
        return Proportion(self.tp, self.tp + self.fn)

    @property
    def fails(self) -> Proportion:
        """Of the answers humans fail, those the judge fails: TNR."""
        return Proportion(self.tn, self.fp + self.tn)

    @property
    def tpr(self) -> float | None:
        """The true positive rate; None without a label of the class."""
        return self.passes.rate if self.passes.n else None

    @property
    def tnr(self) -> float | None:
        """The true negative rate; None without a label of the class."""
        return self.fails.rate if self.fails.n else None

    @property
    def kappa(self) -> Kappa:
        """Cohen's κ (Fleiss, Cohen and Everitt 1969); never compare it across prevalences."""
        n = self.n
        rows = ((self.tp / n, self.fn / n), (self.fp / n, self.tn / n))
        human = [sum(row) for row in rows]
        judge = [rows[0][k] + rows[1][k] for k in (0, 1)]
        chance = sum(h * j for h, j in zip(human, judge, strict=True))
        if chance == 1:
            return Kappa(0.0, 0.0)
        value = (rows[0][0] + rows[1][1] - chance) / (1 - chance)
        rest = 1 - value
        on = sum(rows[k][k] * (1 - (human[k] + judge[k]) * rest) ** 2 for k in (0, 1))
        off = sum(rows[k][1 - k] * (judge[k] + human[1 - k]) ** 2 for k in (0, 1))
        spread = on + rest**2 * off - (value - chance * rest) ** 2
        return Kappa(value, math.sqrt(max(0.0, spread) / n) / (1 - chance))


def clamp_estimate(value: float, variance: float, alpha: float) -> Estimate:
    """An estimate with its normal interval, both kept within [0, 1]."""
    half = normal_quantile(alpha) * math.sqrt(variance)
    value, low, high = (min(1.0, max(0.0, x)) for x in (value, value - half, value + half))
    return Estimate(value, low, high)


CLEAR = 2
"""How many times the interval's half-width TPR + TNR - 1 is above 0, so that dividing is safe."""
LEAST_WRONG = 3
"""Labels that count as judged otherwise in a variance, at least: none of n may be three (3 / n is
the upper bound of 95%)."""


def bound_variance(right: int, n: int) -> float:
    """Returns the variance of a rate, not that of one without errors: few labels hide them."""
    least = min(LEAST_WRONG, n / 2)
    rate = min(max(right, least), n - least) / n
    return rate * (1 - rate) / n


def rogan_gladen(judged: Proportion, labels: Agreement, alpha: float = ALPHA) -> Estimate | None:
    """The true pass rate from a judge's, where the labels come from elsewhere (delta method).

    Args:
        judged: what the judge passed.
        labels: the judge against humans; its TPR and TNR are taken to hold here too.
        alpha: the interval's level.

    Returns:
        None where it is undefined: a class without labels, or TPR + TNR - 1 not far above 0, where
        the estimate would be shown only when chance has made that sum large.
    """
    if labels.tpr is None or labels.tnr is None or not judged.n:
        return None
    n1, n0 = labels.passes.n, labels.fails.n
    j = labels.tpr + labels.tnr - 1
    smooth = ((labels.tp + 1) / (n1 + 2), (labels.tn + 1) / (n0 + 2))
    error = math.sqrt(sum(s * (1 - s) / n for s, n in zip(smooth, (n1, n0), strict=True)))
    if j <= CLEAR * normal_quantile(alpha) * error:
        return None
    p = judged.rate
    theta = (p + labels.tnr - 1) / j
    variance = (
        p * (1 - p) / judged.size
        + theta**2 * bound_variance(labels.tp, n1)
        + (1 - theta) ** 2 * bound_variance(labels.tn, n0)
    )
    return clamp_estimate(theta, variance / j**2, alpha)
