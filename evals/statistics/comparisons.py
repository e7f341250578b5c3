"""What changed between two rates, how sure that is, and what is one group's doing.

Counts come in as proportions; what a difference decides is the report's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evals.statistics.intervals import ALPHA, NORMAL, Interval, normal_quantile
from evals.statistics.proportions import Proportion

POWER = 0.8
FEW = 10
"""Below so many expected rows of a verdict the tests are exact."""


class Difference(NamedTuple):
    """After minus before, with its interval and two-sided p."""

    change: float
    low: float
    high: float
    p: float


def newcombe_interval(before: Proportion, after: Proportion, z: float) -> Interval:
    """The interval of after minus before from the two score intervals (Newcombe 1998, 10)."""
    change = after.rate - before.rate
    a, b = after.interval_at(z), before.interval_at(z)
    low = change - math.hypot(after.rate - a.low, b.high - before.rate)
    high = change + math.hypot(a.high - after.rate, before.rate - b.low)
    return Interval(max(-1.0, low), min(1.0, high))


def compare_rates(before: Proportion, after: Proportion, alpha: float = ALPHA) -> Difference:
    """Two independent rates compared: Newcombe's interval, and the p that inverts it.

    Where few fails or passes are expected, p is that of the exact test if it is larger, and an
    interval that it contradicts ends at 0.

    Raises:
        ValueError: a side has no rows.
    """
    if not before.n or not after.n:
        raise ValueError("a difference needs rows with a verdict on both sides")
    change = after.rate - before.rate
    interval = newcombe_interval(before, after, normal_quantile(alpha))
    p = invert_newcombe(before, after) if change else 1.0
    if change and expects_few(before, after):
        p = max(p, fisher_p(before, after))
        if p >= alpha:
            interval = Interval(min(interval.low, 0.0), max(interval.high, 0.0))
    return Difference(change, interval.low, interval.high, p)


def invert_newcombe(before: Proportion, after: Proportion) -> float:
    """Returns the p at which Newcombe's interval begins to exclude 0."""
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        edges = newcombe_interval(before, after, middle)
        excluded = edges.low > 0 or edges.high < 0
        low, high = (middle, high) if excluded else (low, middle)
    return math.erfc(low / math.sqrt(2))


def expects_few(before: Proportion, after: Proportion) -> bool:
    """Whether fewer than `FEW` fails, or passes, are expected on the smaller side."""
    size = before.size + after.size
    rate = (before.rate * before.size + after.rate * after.size) / size
    return min(rate, 1 - rate) * min(before.size, after.size) < FEW


class Table(NamedTuple):
    """Two samples in whole effective rows, by the rarer verdict."""

    drawn: int
    """Rows of the first."""
    seen: int
    """Of those, rows of the rarer verdict."""
    rows: int
    """Of both."""
    rare: int
    """Of those, rows of the rarer verdict."""

    def list_chances(self) -> list[tuple[int, float]]:
        """Lists how many rare rows the first could have, each with its chance."""
        least = max(0, self.drawn + self.rare - self.rows)
        counts = range(least, min(self.drawn, self.rare) + 1)
        whole = log_choose(self.rows, self.drawn)
        return [
            (
                k,
                math.exp(
                    log_choose(self.rare, k)
                    + log_choose(self.rows - self.rare, self.drawn - k)
                    - whole
                ),
            )
            for k in counts
        ]


def log_choose(n: int, k: int) -> float:
    """Returns the logarithm of n over k."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def make_table(first: Proportion, second: Proportion) -> Table:
    """Makes the table of two rates, the smaller sample first."""
    if second.size < first.size:
        first, second = second, first
    sizes = [max(1, round(side.size)) for side in (first, second)]
    passed = [round(side.rate * n) for side, n in zip((first, second), sizes, strict=True)]
    failed = [n - k for n, k in zip(sizes, passed, strict=True)]
    rarer = failed if sum(failed) <= sum(passed) else passed
    return Table(sizes[0], rarer[0], sum(sizes), sum(rarer))


def fisher_p(first: Proportion, second: Proportion) -> float:
    """Fisher's exact two-sided p of two rates: of all tables that are no likelier than theirs."""
    table = make_table(first, second)
    chances = table.list_chances()
    own = dict(chances)[table.seen]
    return min(1.0, math.fsum(chance for _, chance in chances if chance <= own * (1 + 1e-7)))


def mcnemar(only_before: int, only_after: int) -> float:
    """McNemar's exact two-sided p from the two discordant counts of a paired comparison."""
    n = only_before + only_after
    tail = sum(math.comb(n, k) for k in range(min(only_before, only_after) + 1))
    return min(1.0, 2 * tail / 2**n)


def mde(
    rate: float, n_before: float, n_after: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """The smallest difference two independent samples of these sizes find with this power."""
    reach = normal_quantile(alpha) + NORMAL.inv_cdf(power)
    return min(1.0, reach * math.sqrt(rate * (1 - rate) * (1 / n_before + 1 / n_after)))


def needed_n(
    rate: float, drop: float, n_before: float, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Rows needed tonight to find a drop against `n_before`; on both sides where that is short."""
    reach = normal_quantile(alpha) + NORMAL.inv_cdf(power)
    information = drop**2 / (reach**2 * rate * (1 - rate))
    left = information - 1 / n_before
    return math.ceil(1 / left) if left >= information / 2 else math.ceil(2 / information)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given: no false alarm in the whole family."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, running = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = running
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's q values, in the order given: few false among the found."""
    order = sorted(range(len(ps)), key=lambda i: ps[i], reverse=True)
    adjusted, running = [0.0] * len(ps), 1.0
    for rank, i in enumerate(order):
        running = min(running, ps[i] * len(ps) / (len(ps) - rank))
        adjusted[i] = running
    return adjusted
