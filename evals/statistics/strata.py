"""People's labels by what a judge decided: the rate they show, and the judge's TPR and TNR.

Each label counts for the answers that its chance of being asked represents. Which labels those are,
and whether they suffice to decide, is the report's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from evals.statistics.corrections import Agreement, Estimate, clamp_estimate
from evals.statistics.intervals import (
    ALPHA,
    Interval,
    normal_quantile,
    t_quantile,
    wilson_interval,
)
from evals.statistics.proportions import Proportion

ROUNDING = 1e-4
"""By how much sums of stored weights may be off."""


class Stratum(NamedTuple):
    """Labels of the answers that a judge passed, or of those that it failed."""

    passed: float
    """The sum of the weights of those that people passed."""
    failed: float
    """The same of those that people failed."""
    squares: float
    """The sum of all squared weights."""
    failed_squares: float = 0.0
    """The sum of the squared weights of those that people failed."""
    labels: float = 0.0
    """How many they are; 0: not counted, and they count as labels of one weight."""

    @property
    def size(self) -> float:
        """Kish's effective number of labels."""
        return (self.passed + self.failed) ** 2 / self.squares if self.squares else 0.0

    @property
    def has_one_weight(self) -> bool:
        """Whether every label represents as many answers, up to rounding."""
        return self.size >= self.labels * (1 - ROUNDING)

    @property
    def information(self) -> float:
        """How many labels of one weight would show the rate as well.

        Of labels of several weights Kish's number is too large where the weight goes with the
        verdict, and their variance is itself an estimate: it is the linearised one of a ratio
        (Hajek) where that is larger, with Student's t for Kish's number.
        """
        if self.has_one_weight:
            return self.size
        smooth, weight = self.smooth_rate, self.passed + self.failed
        spread = smooth * (1 - smooth)
        passes, fails = self.squares - self.failed_squares, self.failed_squares
        linearised = ((1 - smooth) ** 2 * passes + smooth**2 * fails) / weight**2
        stretch = t_quantile(max(1, int(self.size) - 1)) / normal_quantile()
        return min(self.size, spread / linearised) / stretch**2

    @property
    def rate(self) -> float:
        """The share that people passed; one half without labels, where it may be anything."""
        weight = self.passed + self.failed
        return self.passed / weight if weight else 0.5

    @property
    def smooth_rate(self) -> float:
        """The same, never 0 or 1: for variances.

        With a label of each verdict more; of several weights two, since few labels of a large
        weight may hide the rarer verdict.
        """
        more = 1 if self.has_one_weight else 2
        return (self.rate * self.size + more) / (self.size + 2 * more)

    @property
    def variance(self) -> float:
        """Of the rate, from the smoothed one."""
        return self.smooth_rate * (1 - self.smooth_rate) / self.information

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Wilson's interval of the rate; all of [0, 1] without labels."""
        if not self.size:
            return Interval(0.0, 1.0)
        return wilson_interval(self.rate * self.information, self.information, alpha)

    def add(self, other: Stratum) -> Stratum:
        """Both together."""
        return Stratum(*(a + b for a, b in zip(self, other, strict=True)))


class Sides(NamedTuple):
    """How a judge does on the answers that people pass, and on those that they fail."""

    tpr: Estimate
    tnr: Estimate

    @property
    def j(self) -> float:
        """Youden's J: by how much the judge's rate changes where the true one changes by 1."""
        return self.tpr.value + self.tnr.value - 1


@dataclass(frozen=True, slots=True)
class Strata:
    """Labels of a judge's answers, and the share of all answers that it passed."""

    judged: Proportion
    """What it passed of all answers that the labels were sampled from."""
    passed: Stratum
    failed: Stratum

    @property
    def is_complete(self) -> bool:
        """Whether there are labels of the answers it passed and of those it failed."""
        return bool(self.passed.size and self.failed.size and self.judged.n)

    @classmethod
    def of_counts(cls, judged: Proportion, labels: Agreement) -> Strata:
        """Returns the strata of labels that were all sampled alike."""
        return cls(
            judged,
            count_alike(labels.tp, labels.fp),
            count_alike(labels.fn, labels.tn),
        )


def count_alike(passed: int, failed: int) -> Stratum:
    """Returns the stratum of labels that stand for one answer each."""
    return Stratum(passed, failed, passed + failed, failed, passed + failed)


def post_stratify(strata: Strata, alpha: float = ALPHA) -> Estimate | None:
    """The true pass rate of the answers that the labels were sampled from.

    Returns:
        None without labels of the answers that the judge passed, or of those that it failed.
    """
    if not strata.is_complete:
        return None
    return clamp_estimate(
        find_rate(strata.judged.rate, strata.passed.rate, strata.failed.rate),
        measure_variance(strata),
        alpha,
    )


def find_rate(share: float, q1: float, q0: float) -> float:
    """The true pass rate, of the share that the judge passes and its strata's true rates."""
    return share * q1 + (1 - share) * q0


def measure_variance(strata: Strata) -> float:
    """The variance of a post-stratified rate."""
    share, n = strata.judged.rate, strata.judged.size
    apart = strata.passed.rate - strata.failed.rate
    return (
        share**2 * strata.passed.variance
        + (1 - share) ** 2 * strata.failed.variance
        + share * (1 - share) * apart**2 / n
    )


def find_j(share: float, q1: float, q0: float) -> float:
    """TPR + TNR - 1, of the share that the judge passes and its strata's true rates."""
    rate = find_rate(share, q1, q0)
    return share * (1 - share) * (q1 - q0) / (rate * (1 - rate))


def transport_estimate(
    strata: Strata, tonight: Proportion, alpha: float = ALPHA
) -> Estimate | None:
    """Tonight's true pass rate, from labels of earlier nights of the same judge.

    The rate of those nights, moved by the change of the judge's own rate divided by J (delta
    method; gradients by the labels at the smoothed rates).

    Returns:
        None where `post_stratify` has none, or where the judge's J is not clearly above 0.
    """
    if not strata.is_complete or not tonight.n or not 0 < strata.judged.rate < 1:
        return None
    share, q1, q0 = strata.judged.rate, strata.passed.rate, strata.failed.rate
    s1, s0 = strata.passed.smooth_rate, strata.failed.smooth_rate
    error = math.sqrt(strata.passed.variance + strata.failed.variance)
    if q1 <= q0 or s1 - s0 <= normal_quantile(alpha) * error:
        return None
    moved = tonight.rate - share
    stretch, smooth = stretch_change(share, q1, q0), stretch_change(share, s1, s0)
    gradient = (
        q1 - q0 - stretch.value + moved * stretch.by_share,
        share + moved * smooth.by_passed,
        1 - share + moved * smooth.by_failed,
        stretch.value,
    )
    variances = (
        share * (1 - share) / strata.judged.size,
        strata.passed.variance,
        strata.failed.variance,
        tonight.rate * (1 - tonight.rate) / tonight.size,
    )
    variance = math.fsum(g**2 * v for g, v in zip(gradient, variances, strict=True))
    return clamp_estimate(find_rate(share, q1, q0) + moved * stretch.value, variance, alpha)


class Stretch(NamedTuple):
    """1 / J, and its derivatives."""

    value: float
    by_share: float
    by_passed: float
    by_failed: float


def stretch_change(share: float, q1: float, q0: float) -> Stretch:
    """Returns by how much the true rate changes where the judge's changes by 1.

    Args:
        share: of all answers, that the judge passes.
        q1: the true rate of those it passes.
        q0: the true rate of those it fails, which is lower.
    """
    rate, apart, spread = find_rate(share, q1, q0), q1 - q0, share * (1 - share)
    slope, bend = rate * (1 - rate), 1 - 2 * rate
    return Stretch(
        slope / (spread * apart),
        bend / spread - slope * (1 - 2 * share) / (spread**2 * apart),
        (bend * share * apart - slope) / (spread * apart**2),
        (bend * (1 - share) * apart + slope) / (spread * apart**2),
    )


class Part(NamedTuple):
    """A part of all answers, with its interval."""

    value: float
    low: float
    high: float


def measure_sides(strata: Strata, alpha: float = ALPHA) -> Sides | None:
    """A judge's TPR and TNR among all answers, from the strata by MOVER-R.

    Source: Donner and Zou 2012, with Wilson's interval of each stratum.

    Returns:
        None where the judge has answers of a stratum without a label, or where people passed all
        of the answers, or failed all of them.
    """
    if not strata.judged.n:
        return None
    share, yes, no = strata.judged.rate, strata.passed, strata.failed
    if (share > 0 and not yes.size) or (share < 1 and not no.size):
        return None
    tp, fn = take_part(share, yes, alpha), take_part(1 - share, no, alpha)
    fp, tn = take_rest(share, tp), take_rest(1 - share, fn)
    if tp.value + fn.value <= 0 or fp.value + tn.value <= 0:
        return None
    return Sides(find_fraction(tp, fn), find_fraction(tn, fp))


def take_part(share: float, stratum: Stratum, alpha: float) -> Part:
    """Returns the part of all answers that are in a stratum and that people pass."""
    low, high = stratum.interval(alpha)
    return Part(share * stratum.rate, share * low, share * high)


def take_rest(share: float, part: Part) -> Part:
    """Returns the rest of a stratum."""
    return Part(share - part.value, share - part.high, share - part.low)


def find_fraction(part: Part, other: Part) -> Estimate:
    """Returns the fraction of a part in it and another, with its interval (MOVER-R)."""
    product, total = other.value * part.value, other.value + part.value
    above = other.low * (2 * other.value - other.low)
    below = other.high * (2 * other.value - other.high)
    divisor = part.low * (2 * part.value - part.low)
    cross = part.high * (2 * part.value - part.high)
    scale = product + math.sqrt(max(0.0, product**2 - above * cross))
    least = 0.0 if above <= 0 else above / scale if scale > 0 else math.inf
    scale = product + math.sqrt(max(0.0, product**2 - below * divisor))
    most = scale / divisor if divisor > 0 else math.inf
    return Estimate(part.value / total, 1 / (1 + most), 1 / (1 + least))
