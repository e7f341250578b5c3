"""Rates compared within strata: mix and rate apart, versions of one night, crossed versions.

What strata are, and what a difference means, is the report's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.statistics.intervals import normal_quantile


class Counted(NamedTuple):
    """The rows of one stratum on one side."""

    weight: float
    """How much they count in the shares of strata."""
    size: float
    """The effective number of rows."""
    rate: float

    @property
    def variance(self) -> float:
        """Of the rate; with half a row more of each verdict it is never 0."""
        rate = (self.rate * self.size + 0.5) / (self.size + 1)
        return rate * (1 - rate) / self.size


class Decomposition(NamedTuple):
    """A change of an overall rate in two parts that add up to it, with standard errors."""

    mix: float
    """What the shares of the strata moved."""
    mix_se: float
    rate: float
    """What the rates within the strata moved."""
    rate_se: float


class Effect(NamedTuple):
    """An estimated difference of rates."""

    value: float
    se: float

    @property
    def z(self) -> float:
        """In standard errors."""
        return self.value / self.se

    @property
    def p(self) -> float:
        """Two-sided."""
        return math.erfc(abs(self.z) / math.sqrt(2))

    @property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        return max(-1.0, self.value - normal_quantile() * self.se)

    @property
    def high(self) -> float:
        """Upper end of the same."""
        return min(1.0, self.value + normal_quantile() * self.se)


Pair = tuple[Counted, Counted]
"""A stratum before and after."""


def kitagawa(strata: Iterable[Pair]) -> Decomposition:
    """Kitagawa's decomposition (1955) of the change of an overall rate; SEs by the delta method.

    Args:
        strata: each with rows on both sides.
    """
    pairs = sorted(strata)
    whole = [math.fsum(pair[side].weight for pair in pairs) for side in (0, 1)]
    size = [math.fsum(pair[side].size for pair in pairs) for side in (0, 1)]
    shares = [[pair[side].weight / whole[side] for pair in pairs] for side in (0, 1)]
    shift = [now - then for then, now in zip(*shares, strict=True)]
    share = [(then + now) / 2 for then, now in zip(*shares, strict=True)]
    rate = [(a.rate + b.rate) / 2 for a, b in pairs]
    change = [b.rate - a.rate for a, b in pairs]
    noise = [a.variance + b.variance for a, b in pairs]
    mix_variance = math.fsum((s / 2) ** 2 * v for s, v in zip(shift, noise, strict=True))
    rate_variance = math.fsum(s**2 * v for s, v in zip(share, noise, strict=True))
    for own, n in zip(shares, size, strict=True):
        mix_variance += measure_spread(own, rate) / n
        rate_variance += measure_spread(own, change) / 4 / n
    return Decomposition(
        mix=math.fsum(s * r for s, r in zip(shift, rate, strict=True)),
        mix_se=math.sqrt(mix_variance),
        rate=math.fsum(s * d for s, d in zip(share, change, strict=True)),
        rate_se=math.sqrt(rate_variance),
    )


def measure_spread(shares: Sequence[float], values: Sequence[float]) -> float:
    """Returns the variance of a value over shares."""
    mean = math.fsum(share * value for share, value in zip(shares, values, strict=True))
    return math.fsum(s * (value - mean) ** 2 for s, value in zip(shares, values, strict=True))


def mantel_haenszel(strata: Iterable[Pair]) -> Effect | None:
    """The Mantel-Haenszel difference of two rates over strata (Greenland & Robins 1985).

    Args:
        strata: each with the rows of the one and of the other.

    Returns:
        The second rate minus the first; None where no stratum has rows of both.
    """
    pairs = [pair for pair in sorted(strata) if pair[0].size and pair[1].size]
    if not pairs:
        return None
    weights = [a.size * b.size / (a.size + b.size) for a, b in pairs]
    whole = math.fsum(weights)
    change = math.fsum(w * (b.rate - a.rate) for w, (a, b) in zip(weights, pairs, strict=True))
    variance = math.fsum(
        w**2 * (a.variance + b.variance) for w, (a, b) in zip(weights, pairs, strict=True)
    )
    return Effect(change / whole, math.sqrt(variance) / whole)


def regress_rates(
    design: NDArray[np.float64], size: NDArray[np.float64], rate: NDArray[np.float64]
) -> list[Effect] | None:
    """Least squares of verdicts on indicators, with HC1 standard errors (MacKinnon & White 1985).

    Args:
        design: (cells, columns), the same row for all verdicts of a cell.
        size: verdicts of each cell.
        rate: passes among them.

    Returns:
        The effect of each column; None where the columns cannot be separated.
    """
    n, columns = float(size.sum()), design.shape[1]
    if n <= columns or np.linalg.matrix_rank(design[size > 0]) < columns:
        return None
    bread = np.linalg.inv(design.T @ (size[:, None] * design))
    effects = bread @ (design.T @ (size * rate))
    fitted = design @ effects
    squares = size * (rate * (1 - fitted) ** 2 + (1 - rate) * fitted**2)
    meat = design.T @ (squares[:, None] * design)
    covariance = bread @ meat @ bread * n / (n - columns)
    errors = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    return [Effect(float(b), float(se)) for b, se in zip(effects, errors, strict=True)]
