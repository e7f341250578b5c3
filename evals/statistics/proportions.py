"""A rate with its sample: counted row by row, or each row for as many traces as it represents.

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
    deflate_size,
    describe_clusters,
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
    session_squares: float | None = None,
    alpha: float = ALPHA,
) -> Proportion:
    """The rate of all traces from rows that came into the sample unequally.

    Its size is Kish's, deflated for sessions and for weights that go with the verdict: never more
    than Kish's (Korn & Graubard 1998 with a cap).

    Args:
        rate: Hajek's, each row counted 1 / inclusion times.
        variance: of the rate by design, clustered by session; None where it is unknown.
        n: rows with a verdict.
        sessions: conversations among them; None: every row is one.
        weights: what the rows stand for; None where it was not kept.
        session_squares: the sum of squared sizes of sessions; None: all have the same.
        alpha: the interval's level.
    """
    clusters = n if sessions is None else sessions
    size = weights.kish if weights else float(n)
    is_mixed = 0 < rate < 1
    if clusters < 2 or variance is None:
        size = 1.0
    elif is_mixed or clusters < n:
        design = variance * size / (rate * (1 - rate)) if is_mixed else 0.0
        about = describe_clusters(n, clusters, session_squares)
        size = deflate_size(size, design, about, min(rate, 1 - rate) * n, alpha)
    return Proportion(rate * n, n, max(1.0, min(size, n)), weights)


def pool_proportions(parts: Sequence[Proportion], alpha: float = ALPHA) -> Proportion:
    """Nights as one sample, each with the weight of its rows.

    The variance is that of sampling, or that between the nights where it is larger, with Student's
    t for its degrees of freedom.
    """
    counted = [part for part in parts if part.n]
    n, nights = sum(part.n for part in counted), len(counted)
    if not n:
        return Proportion(0, 0)
    passed = math.fsum(part.passed for part in counted)
    size = n**2 / math.fsum(part.n**2 / part.size for part in counted)
    rate = passed / n
    if nights > 1 and 0 < rate < 1:
        squares = math.fsum((part.passed - rate * part.n) ** 2 for part in counted)
        between = squares / n**2 * nights / (nights - 1)
        design = between * size / (rate * (1 - rate))
        ratio = t_quantile(nights - 1, alpha) / normal_quantile(alpha)
        size = max(1.0, size / design / ratio**2) if design > 1 else size
    return Proportion(passed, n, size)
