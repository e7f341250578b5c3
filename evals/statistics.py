"""Intervals, tests and corrected estimates, from counts and sums of squares.

Reads no table and knows no evaluator: dbt counts, and what a figure decides is the report's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

ALPHA = 0.05
POWER = 0.8
NORMAL = NormalDist()


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A corrected rate with its interval."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """After minus before, with its interval and two-sided p."""

    change: float
    low: float
    high: float
    p: float


class Errors(NamedTuple):
    """Two standard errors of one mean."""

    clt: float
    """As if every row were independent."""
    clustered: float
    """CR1: rows of one conversation move together."""


class Kappa(NamedTuple):
    """Cohen's κ and its standard error."""

    value: float
    error: float


class Decomposition(NamedTuple):
    """A change of an overall rate in two parts that add up to it."""

    mix: float
    """What the shares of the groups moved."""
    rate: float
    """What the rates within the groups moved."""


def critical(alpha: float = ALPHA) -> float:
    """The standard normal quantile of a two-sided level."""
    return NORMAL.inv_cdf(1 - alpha / 2)


def t_inside(t: float, df: int) -> float:
    """P(|T| < t) for integer degrees of freedom (Abramowitz & Stegun 26.7.3-4)."""
    angle = math.atan2(t, math.sqrt(df))
    cos2 = math.cos(angle) ** 2
    odd = df % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, df, 2):
        total += term
        term *= cos2 * k / (k + 1)
    series = math.sin(angle) * total
    return 2 / math.pi * (angle + series) if odd else series


@functools.lru_cache(maxsize=1024)
def t_quantile(df: int, alpha: float = ALPHA) -> float:
    """Student's t quantile of a two-sided level; Cornish-Fisher above 200 degrees of freedom."""
    if df < 1:
        raise ValueError(f"df: expected at least 1, got {df}")
    z = critical(alpha)
    if df > 200:
        return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    low, high = z, 2 * z
    while t_inside(high, df) < 1 - alpha:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_inside(middle, df) < 1 - alpha else (low, middle)
    return (low + high) / 2


def wilson_at(passed: float, n: float, z: float) -> Interval:
    """The score interval of a rate at a normal quantile; (0, 1) for n = 0."""
    if n <= 0:
        return Interval(0.0, 1.0)
    rate = passed / n
    scale = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(max(0.0, rate * (1 - rate) / n + z * z / (4 * n * n)))
    low = 0.0 if passed <= 0 else max(0.0, min(rate, centre - half))
    high = 1.0 if passed >= n else min(1.0, max(rate, centre + half))
    return Interval(low, high)


def wilson(passed: float, n: float, alpha: float = ALPHA) -> Interval:
    """Wilson's score interval (1927) of `passed` in `n`; both may be fractional (effective)."""
    return wilson_at(passed, n, critical(alpha))


def standard_errors(passed: int, n: int, clusters: int, session_ss: float) -> Errors:
    """Standard errors of a rate from sufficient statistics.

    Args:
        passed: rows that passed.
        n: rows with a verdict, at least 2.
        clusters: conversations among them, at least 2.
        session_ss: the sum over conversations of (sum over rows of (s - rate)) squared.
    """
    rate = passed / n
    clt = math.sqrt(rate * (1 - rate) / (n - 1))
    return Errors(clt, math.sqrt(session_ss * clusters / (clusters - 1)) / n)


def effective_n(
    passed: int, n: int, clusters: int | None, session_ss: float | None, alpha: float = ALPHA
) -> float:
    """How many independent rows carry as much information as these clustered ones.

    The half-width is the larger of z times the CLT error and t(G-1) times the clustered one:
    with few clusters the clustered error alone can fall below the CLT's. One conversation is
    one observation.
    """
    if n < 2 or clusters is None or session_ss is None or clusters >= n:
        return float(n)
    if clusters < 2:
        return 1.0
    errors = standard_errors(passed, n, clusters, session_ss)
    if errors.clt == 0:
        return float(n)
    ratio = t_quantile(clusters - 1, alpha) * errors.clustered / (critical(alpha) * errors.clt)
    return max(1.0, n / max(1.0, ratio) ** 2)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A count of passes among rows with a verdict."""

    passed: float
    """Whole, unless the rows are weighted."""
    n: int
    effective: float | None = None
    """The effective sample size; None: every row is independent."""

    @property
    def size(self) -> float:
        """The sample size that intervals use."""
        return float(self.n) if self.effective is None else self.effective

    @property
    def rate(self) -> float:
        """The raw rate; n must not be 0."""
        return self.passed / self.n

    def at(self, z: float) -> Interval:
        """Wilson's interval with the effective sample size, at a normal quantile."""
        return wilson_at(self.rate * self.size, self.size, z) if self.n else Interval(0.0, 1.0)

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Wilson's interval with the effective sample size."""
        return self.at(critical(alpha))

    def without(self, part: Proportion) -> Proportion:
        """The complement of a part, with this proportion's design effect."""
        n = self.n - part.n
        return Proportion(self.passed - part.passed, n, self.size / self.n * n)


def newcombe(before: Proportion, after: Proportion, z: float) -> Interval:
    """The interval of after minus before from the two score intervals (Newcombe 1998, 10)."""
    change = after.rate - before.rate
    a, b = after.at(z), before.at(z)
    low = change - math.hypot(after.rate - a.low, b.high - before.rate)
    high = change + math.hypot(a.high - after.rate, before.rate - b.low)
    return Interval(max(-1.0, low), min(1.0, high))


def difference(before: Proportion, after: Proportion, alpha: float = ALPHA) -> Difference:
    """Two independent rates compared; p inverts the interval, so the two never disagree.

    Raises:
        ValueError: a side has no rows.
    """
    if not before.n or not after.n:
        raise ValueError("a difference needs rows with a verdict on both sides")
    change = after.rate - before.rate
    interval = newcombe(before, after, critical(alpha))
    low, high = 0.0, 40.0
    for _ in range(80 if change else 0):
        middle = (low + high) / 2
        edges = newcombe(before, after, middle)
        excluded = edges.low > 0 or edges.high < 0
        low, high = (middle, high) if excluded else (low, middle)
    return Difference(change, interval.low, interval.high, math.erfc(low / math.sqrt(2)))


def mcnemar(only_before: int, only_after: int) -> float:
    """McNemar's exact two-sided p from the two discordant counts of a paired comparison."""
    n = only_before + only_after
    tail = sum(math.comb(n, k) for k in range(min(only_before, only_after) + 1))
    return min(1.0, 2 * tail / 2**n)


def mde(
    rate: float, n_before: float, n_after: float, alpha: float = ALPHA, power: float = POWER
) -> float:
    """The smallest difference two independent samples of these sizes find with this power."""
    reach = critical(alpha) + NORMAL.inv_cdf(power)
    return min(1.0, reach * math.sqrt(rate * (1 - rate) * (1 / n_before + 1 / n_after)))


def needed_n(
    rate: float, drop: float, n_before: float, alpha: float = ALPHA, power: float = POWER
) -> int:
    """Rows needed tonight to find a drop against `n_before`; on both sides where that is short."""
    reach = critical(alpha) + NORMAL.inv_cdf(power)
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


def slice_test(part: Proportion, whole: Proportion) -> float:
    """Two-sided p of a slice against its complement, by the pooled z test.

    Raises:
        ValueError: the slice is empty or the whole, so it has no complement.
    """
    rest = whole.without(part)
    if part.n <= 0 or rest.n <= 0:
        raise ValueError("a slice is tested against a complement; one of the two is empty")
    variance = whole.rate * (1 - whole.rate) * (1 / part.size + 1 / rest.size)
    if variance == 0:
        return 1.0
    return math.erfc(abs(part.rate - rest.rate) / math.sqrt(2 * variance))


def kitagawa(groups: Iterable[tuple[float, float, float, float]]) -> Decomposition:
    """Kitagawa's decomposition (1955) of the change of an overall rate.

    Args:
        groups: for each, share before, rate before, share after, rate after.
    """
    rows = sorted(groups)
    return Decomposition(
        mix=math.fsum((w1 - w0) * (r0 + r1) / 2 for w0, r0, w1, r1 in rows),
        rate=math.fsum((r1 - r0) * (w0 + w1) / 2 for w0, r0, w1, r1 in rows),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge against human labels: counts of the 2 x 2 table, positive = pass."""

    tp: int
    """Both said pass."""
    fn: int
    """The human said pass, the judge fail."""
    fp: int
    """The human said fail, the judge pass."""
    tn: int
    """Both said fail."""

    MINIMUM_OF_A_CLASS = 20
    MINIMUM_RATE = 0.8

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
    def usable(self) -> bool:
        """Whether a judge may decide.

        The rule: TPR and TNR are both above .80, each on at least 20 labels of its class.
        """
        return all(
            side.n >= self.MINIMUM_OF_A_CLASS and side.rate > self.MINIMUM_RATE
            for side in (self.passes, self.fails)
        )

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


def around(value: float, variance: float, alpha: float) -> Estimate:
    """An estimate with its normal interval, both kept within [0, 1]."""
    half = critical(alpha) * math.sqrt(variance)
    value, low, high = (min(1.0, max(0.0, x)) for x in (value, value - half, value + half))
    return Estimate(value, low, high)


def rogan_gladen(judged: Proportion, labels: Agreement, alpha: float = ALPHA) -> Estimate | None:
    """The true pass rate from a judge's, where the labels come from elsewhere (delta method).

    Args:
        judged: what the judge passed.
        labels: the judge against humans; its TPR and TNR are taken to hold here too.
        alpha: the interval's level.

    Returns:
        None where it is undefined: a class without labels, or TPR + TNR - 1 not clearly above 0.
    """
    if labels.tpr is None or labels.tnr is None or not judged.n:
        return None
    n1, n0 = labels.passes.n, labels.fails.n
    j = labels.tpr + labels.tnr - 1
    smooth = ((labels.tp + 1) / (n1 + 2), (labels.tn + 1) / (n0 + 2))
    error = math.sqrt(sum(s * (1 - s) / n for s, n in zip(smooth, (n1, n0), strict=True)))
    if j <= critical(alpha) * error:
        return None
    p = judged.rate
    theta = (p + labels.tnr - 1) / j
    variance = (
        p * (1 - p) / judged.size
        + theta**2 * labels.tpr * (1 - labels.tpr) / n1
        + (1 - theta) ** 2 * labels.tnr * (1 - labels.tnr) / n0
    )
    return around(theta, variance / j**2, alpha)


def post_stratified(judged: Proportion, labels: Agreement, alpha: float = ALPHA) -> Estimate | None:
    """The true pass rate from a judge's, where the labels are a random sample of what it judged.

    Returns:
        None when the labels hold no answer the judge passed, or none that it failed.
    """
    n1, n0 = labels.tp + labels.fp, labels.fn + labels.tn
    if not n1 or not n0 or not judged.n:
        return None
    share = judged.rate
    q1, q0 = labels.tp / n1, labels.fn / n0
    s1, s0 = (labels.tp + 1) / (n1 + 2), (labels.fn + 1) / (n0 + 2)
    variance = (
        share**2 * s1 * (1 - s1) / n1
        + (1 - share) ** 2 * s0 * (1 - s0) / n0
        + share * (1 - share) * (q1 - q0) ** 2 / judged.size
    )
    return around(share * q1 + (1 - share) * q0, variance, alpha)
