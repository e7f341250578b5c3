"""People against each other: what no judge can exceed on their labels.

Pairs of people are alike: neither of a pair is the judge of the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evals.statistics.corrections import Agreement, Kappa
from evals.statistics.proportions import Proportion


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
