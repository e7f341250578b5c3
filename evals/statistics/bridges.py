"""A rate carried from one judge to another, from answers that both of them judged: anchors.

The second judge may be the same one at a later time. Which answers are anchors is chosen by the
worklist, and what a bridge decides is the report's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evals.statistics.comparisons import POWER
from evals.statistics.intervals import NORMAL, normal_quantile
from evals.statistics.mixes import Effect
from evals.statistics.proportions import Proportion
from evals.statistics.strata import Stratum, find_rate

NIGHTS, CHANCE = 90, 0.05
"""A judge that did not change is found to have drifted so rarely in so many nights."""


class Bridge(NamedTuple):
    """What the second judge decided on answers that the first had passed or failed."""

    passed: Stratum
    """Of those that the first passed."""
    failed: Stratum
    """Of those that it failed."""

    @property
    def slope(self) -> float:
        """By how much the second judge's rate changes where the first one's changes by 1."""
        return expect(self.passed) - expect(self.failed)

    def carry(self, share: float) -> float:
        """Returns what the second judge passes of answers of which the first passes a share."""
        return find_rate(share, expect(self.passed), expect(self.failed))

    def measure_error(self, share: float) -> float:
        """Returns the variance of `carry`: that of the anchors alone."""
        return share**2 * spread(self.passed) + (1 - share) ** 2 * spread(self.failed)

    def measure_error_at(self, share: float, rate: float) -> float:
        """Returns the variance of `carry` if the second judge passed a rate of all answers.

        Few flips are seen where few are, and where chance hid them: there the variance of what was
        seen is too small.
        """
        shift, error = rate - self.carry(share), 0.0
        for part, stratum in ((share, self.passed), (1 - share, self.failed)):
            passes = min(1.0, max(0.0, expect(stratum) + shift))
            size = max(stratum.size, 1.0)
            smooth = (passes * size + 1) / (size + 2)
            error += part**2 * smooth * (1 - smooth) / size
        return error

    def carry_rate(self, judged: Proportion) -> Proportion:
        """Returns a rate of the first judge as the second would have it (post-stratified)."""
        rate = self.carry(judged.rate)
        sampled = judged.rate * (1 - judged.rate) / judged.size
        variance = self.measure_error(judged.rate) + self.slope**2 * sampled
        smooth = (rate * judged.size + 1) / (judged.size + 2)
        size = smooth * (1 - smooth) / variance if variance > 0 else judged.size
        return Proportion(rate * judged.n, judged.n, max(1.0, min(size, judged.size)))

    def measure_drift(self, judged: Proportion) -> Effect:
        """Measures how much more the second judge passes of answers that the first judged."""
        sampled = judged.rate * (1 - judged.rate) / judged.size
        variance = self.measure_error(judged.rate) + (self.slope - 1) ** 2 * sampled
        return Effect(self.carry(judged.rate) - judged.rate, math.sqrt(variance))


def expect(stratum: Stratum) -> float:
    """Returns the share of a stratum that passes; one half where it has no anchor."""
    return stratum.rate


def spread(stratum: Stratum) -> float:
    """Returns the variance of that share; the largest there is where it has no anchor."""
    return stratum.variance if stratum.size else 0.25


def count_needed(anchors: int, error: float, change: float, alpha: float) -> int:
    """Counts the anchors that would find a drift as large as a change (power .8)."""
    reach = normal_quantile(alpha) + NORMAL.inv_cdf(POWER)
    return math.ceil(anchors * (reach * error / abs(change)) ** 2) if change else 0


def weigh_flips(nights: Sequence[tuple[int, int]]) -> float:
    """Weighs the evidence that a judge turns one way more often than the other.

    Of verdicts that differ from the first ones on the same answers, a judge that did not change
    turns as many into passes as into fails. The sum over all first nights of the likelihood ratio
    against that (Beta(1/2, 1/2) over the share that turns into fails), which chance brings above
    T / a with a probability of at most a in T nights (Shiryaev and Roberts, Ville).

    Args:
        nights: of each night, how many passes turned into fails, and fails into passes.
    """
    evidence, down, up = 0.0, 0, 0
    for fallen, risen in reversed(nights):
        down, up = down + fallen, up + risen
        evidence += math.exp(min(700.0, log_ratio(down, up)))
    return evidence


def log_ratio(down: int, up: int) -> float:
    """Returns the log of the likelihood ratio of flips against equal chances."""
    beta = math.lgamma(down + 0.5) + math.lgamma(up + 0.5) - math.lgamma(down + up + 1)
    return beta - math.log(math.pi) + (down + up) * math.log(2)


def has_drifted(nights: Sequence[tuple[int, int]]) -> bool:
    """Whether the flips of some nights show that the judge changed."""
    return weigh_flips(nights) >= NIGHTS / CHANCE
