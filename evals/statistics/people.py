"""People against each other: what no judge can exceed on their labels.

Pairs of people are alike: neither of a pair is the judge of the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evals.statistics.corrections import Agreement, Kappa
from evals.statistics.intervals import ALPHA, Interval, normal_quantile
from evals.statistics.proportions import Proportion

STEPS, SMALL = 60, 1e-12


@dataclass(frozen=True, slots=True)
class PairedPeople:
    """Pairs of people who judged the same answers."""

    both_passed: int
    split: int
    """Pairs of which one passed it and the other failed it."""
    both_failed: int

    @property
    def n(self) -> int:
        """All pairs."""
        return self.both_passed + self.split + self.both_failed

    @property
    def agreed(self) -> Proportion:
        """Pairs with one verdict."""
        return Proportion(self.both_passed + self.both_failed, self.n)

    @property
    def passes(self) -> Proportion:
        """Of the passes that were given, those that the other gave too (specific agreement)."""
        return Proportion(2 * self.both_passed, 2 * self.both_passed + self.split, self.n)

    @property
    def fails(self) -> Proportion:
        """Of the failures that were given, those that the other gave too."""
        return Proportion(2 * self.both_failed, 2 * self.both_failed + self.split, self.n)

    @property
    def kappa(self) -> Kappa | None:
        """Their κ with one margin for both, since they are alike (Scott); None without a pair.

        Never compared across prevalences. Each pair is counted in both orders, which halves the
        variance that is computed from the table.
        """
        if not self.n:
            return None
        both = Agreement(2 * self.both_passed, self.split, self.split, 2 * self.both_failed)
        value, error = both.kappa
        return Kappa(value, error * math.sqrt(2))

    def kappa_interval(self, alpha: float = ALPHA) -> Interval | None:
        """The interval of κ by goodness of fit; None without verdicts of both classes.

        The κ at which the pairs that are seen differ from those expected, at the margin seen, by no
        more than chi-squared with one degree of freedom (Donner and Eliasziw 1992). An interval
        from the standard error is far too narrow with few pairs: without a split it has no width.
        """
        if self.kappa is None or not 0 < self.margin < 1:
            return None
        at = self.margin
        least = -min(at / (1 - at), (1 - at) / at)
        limit, middle = normal_quantile(alpha) ** 2, 1 - self.split / (2 * self.n * at * (1 - at))
        return Interval(*(self.find_end(middle, end, limit) for end in (least, 1.0)))

    @property
    def margin(self) -> float:
        """The share of verdicts that pass."""
        return (2 * self.both_passed + self.split) / (2 * self.n)

    def find_end(self, inside: float, outside: float, limit: float) -> float:
        """Finds where the misfit reaches its limit, between two values of κ."""
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            if self.measure_misfit(middle) <= limit:
                inside = middle
            else:
                outside = middle
        return inside

    def measure_misfit(self, kappa: float) -> float:
        """Measures chi-squared of the pairs against those expected at a κ."""
        at, spread = self.margin, self.margin * (1 - self.margin)
        expected = (
            at**2 + spread * kappa, 2 * spread * (1 - kappa), (1 - at) ** 2 + spread * kappa
        )  # fmt: skip
        seen = (self.both_passed, self.split, self.both_failed)
        return sum(
            (count - self.n * share) ** 2 / max(self.n * share, SMALL)
            for count, share in zip(seen, expected, strict=True)
        )
