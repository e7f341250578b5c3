"""A rate with its sample: counted row by row, or each row for as many traces as it stands for.

What is done with it is `comparisons`' and `corrections`'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evals.statistics.intervals import (
    ALPHA,
    Interval,
    normal_quantile,
    t_quantile,
    wilson_interval_at,
)


class Weights(NamedTuple):
    """How many traces rows stand for: 1 / inclusion each, summed."""

    total: float
    squares: float

    @property
    def kish(self) -> float:
        """Kish's effective sample size (1965): rows of one weight that know as much."""
        return self.total**2 / self.squares

    def subtract(self, part: Weights) -> Weights:
        """Those of the other rows."""
        return Weights(self.total - part.total, self.squares - part.squares)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A count of passes among rows with a verdict."""

    passed: float
    """Whole, unless the rows are weighted."""
    n: int
    effective: float | None = None
    """The effective sample size; None: every row is independent."""
    weights: Weights | None = None
    """Of rows that came into the sample unequally; None: each counts as one."""

    @property
    def size(self) -> float:
        """The sample size that intervals use."""
        return float(self.n) if self.effective is None else self.effective

    @property
    def rate(self) -> float:
        """The raw rate; n must not be 0."""
        return self.passed / self.n

    def interval_at(self, z: float) -> Interval:
        """Wilson's interval with the effective sample size, at a normal quantile."""
        return (
            wilson_interval_at(self.rate * self.size, self.size, z)
            if self.n
            else Interval(0.0, 1.0)
        )

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Wilson's interval with the effective sample size."""
        return self.interval_at(normal_quantile(alpha))

    def subtract(self, part: Proportion) -> Proportion:
        """The complement of a part, with this proportion's design effect."""
        n = self.n - part.n
        if self.weights is None or part.weights is None:
            return Proportion(self.passed - part.passed, n, self.size / self.n * n)
        rest = self.weights.subtract(part.weights)
        passed = self.rate * self.weights.total - part.rate * part.weights.total
        rate = min(1.0, max(0.0, passed / rest.total))
        size = self.size / self.weights.kish * rest.kish
        return Proportion(rate * n, n, max(1.0, min(size, n)), rest)


def weigh_proportion(
    rate: float,
    variance: float | None,
    n: int,
    sessions: int | None = None,
    weights: Weights | None = None,
    alpha: float = ALPHA,
) -> Proportion:
    """The rate of all traces from rows that came into the sample unequally.

    The effective sample size is Korn and Graubard's (1998): that of the binomial with the same
    variance, its t quantile in place of the normal one. A rate of 0 or 1 shows no variance:
    there it is Kish's.

    Args:
        rate: Hajek's, each row counted 1 / inclusion times.
        variance: of the rate by design, clustered by session; None where it is unknown.
        n: rows with a verdict.
        sessions: conversations among them; None: every row is one.
        weights: what the rows stand for; None where it was not kept.
        alpha: the interval's level.
    """
    clusters = n if sessions is None else sessions
    size = weights.kish if weights else float(n)
    if clusters < 2 or variance is None:
        size = 1.0
    elif 0 < rate < 1 and variance > 0:
        inflated = t_quantile(clusters - 1, alpha) / normal_quantile(alpha)
        size = rate * (1 - rate) / (variance * inflated**2)
    return Proportion(rate * n, n, max(1.0, min(size, n)), weights)


def pool_proportions(parts: Sequence[Proportion]) -> Proportion:
    """Independent samples as one, each with the weight of its rows: their variances add up."""
    counted = [part for part in parts if part.n]
    n = sum(part.n for part in counted)
    if not n:
        return Proportion(0, 0)
    spread = math.fsum(part.n**2 / part.size for part in counted)
    return Proportion(math.fsum(part.passed for part in counted), n, n**2 / spread)
