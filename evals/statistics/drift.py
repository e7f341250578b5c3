"""Whether values are distributed as they were: the population stability index and its noise.

Formula and threshold: under no drift the index of B bins is about chi-squared with B - 1 degrees
of freedom, times 1/n + 1/m.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from evals.statistics.intervals import normal_quantile, t_quantile

BINS = 10
SMALL = 0.1
"""An index below this is a small shift, however surely it is one: the usual reading."""


class Drift(NamedTuple):
    """How far values moved, and from where on that is more than noise and more than little."""

    psi: float
    limit: float

    @property
    def has_drifted(self) -> bool:
        """Whether the index is beyond its limit."""
        return self.psi > self.limit


def compute_psi(before: Sequence[float], after: Sequence[float]) -> float:
    """Returns the population stability index of counts or shares in the same bins.

    An empty bin counts as half a value of a count of ten or more.
    """
    shares = [fill_empty(counts) for counts in (before, after)]
    return sum((q - p) * math.log(q / p) for p, q in zip(*shares, strict=True))


def fill_empty(counts: Sequence[float]) -> list[float]:
    """Returns counts as shares of which none is 0."""
    total = sum(counts)
    least = 0.5 if total >= len(counts) else 1e-4
    filled = [count or least for count in counts]
    return [count / sum(filled) for count in filled]


def chi_squared_quantile(p: float, df: int) -> float:
    """Returns a quantile of chi-squared, by Wilson and Hilferty: within .6% from 3 degrees on."""
    spread = 2 / (9 * df)
    return df * (1 - spread + NormalDist().inv_cdf(p) * math.sqrt(spread)) ** 3


def compare_counts(
    before: Sequence[float],
    after: Sequence[float],
    alpha: float = 0.05,
    sizes: tuple[float, float] | None = None,
) -> Drift:
    """Compares counts in the same bins; the limit has this chance of a false alarm.

    Args:
        before: the counts before.
        after: the same after.
        alpha: the chance of a false alarm.
        sizes: how many independent values each side is worth; None: as many as it has.
    """
    n, m = sizes or (sum(before), sum(after))
    noise = chi_squared_quantile(1 - alpha, len(before) - 1) * (1 / n + 1 / m)
    return Drift(compute_psi(before, after), max(noise, SMALL))


def count_independent(bins: Sequence[int], clusters: Sequence[Hashable]) -> float:
    """Counts how many independent values those of some clusters are worth.

    Their number over the mean design effect of the bins' shares (Rao and Scott 1981, first order),
    which is at least 1; Student's t for the clusters, since few show that effect badly. Of one
    cluster they are worth one.

    Args:
        bins: the bin of each value.
        clusters: the session of each.
    """
    n, shares = len(bins), Counter(bins)
    sizes, cells = Counter(clusters), Counter(zip(clusters, bins, strict=True))
    groups = len(sizes)
    if groups == n or len(shares) < 2:
        return float(groups)
    if groups < 2:
        return 1.0
    squares = dict.fromkeys(shares, 0.0)
    for (cluster, bin_), count in cells.items():
        expected = sizes[cluster] * shares[bin_] / n
        squares[bin_] += (count - expected) ** 2 - expected**2
    all_squares = sum(size * size for size in sizes.values()) / n**2
    effect = sum(
        (value + all_squares * shares[bin_] ** 2) / shares[bin_] for bin_, value in squares.items()
    )
    effect = max(1.0, effect * groups / (groups - 1) / (len(shares) - 1))
    stretch = t_quantile(groups - 1) / normal_quantile()
    return max(1.0, n / effect / stretch**2)


def choose_edges(values: Sequence[float], bins: int = BINS) -> tuple[float, ...]:
    """Chooses the edges between bins of equal counts; equal values share a bin."""
    ordered = sorted(values)
    cuts = (ordered[len(ordered) * i // bins] for i in range(1, bins))
    return tuple(sorted({cut for cut in cuts if cut > ordered[0]}))


def count_bins(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Counts values by bin; an edge belongs to the bin above it."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect.bisect_right(edges, value)] += 1
    return counts
