"""How often one of two answers is preferred, with the effects of position and length taken out.

Each pair is judged in both orders. Knows no evaluator; `evals.runs.pairs` counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.statistics.corrections import Estimate
from evals.statistics.intervals import t_quantile, wilson_interval_at
from evals.statistics.paired import measure_difference

PRIOR_PAIRS = 1.0
"""Pairs without a difference, half of them won, that are added so that a fit always exists."""
PRIOR_OF_POSITION = 0.004
"""The same for the effect of position, which is large where it decides nearly every pair: a prior
that makes it smaller brings the share nearer to one half."""
LEAST_CONSISTENT = 10
"""Pairs judged alike in both orders, below which the share without effects is not estimated."""
STEPS, MOST = 50, 2.0
"""Of Newton's method: how many, and the largest."""


class JudgedPair(NamedTuple):
    """What a judge concluded of one pair in both orders, seen from one of the two answers."""

    shown_first: float
    """1: this answer was preferred when it was shown first; 0: the other one; 0.5: a tie."""
    shown_last: float
    """The same when it was shown last."""
    longer_by: int
    """How many characters it is longer than the other one."""
    session: Hashable = ""
    weight: float = 1.0
    """How many answers it represents."""

    @property
    def value(self) -> float:
        """1: preferred in both orders; 0: the other one in both; 0.5: a tie, or it depends."""
        return self.shown_first if self.shown_first == self.shown_last else 0.5


class Preferences(NamedTuple):
    """The shares of some pairs with 95% intervals, clustered by session; None: no such pairs."""

    preferred: Estimate | None
    """How often the answer is preferred; a tie counts one half."""
    first: Estimate | None
    """How often the answer shown first is preferred: one half without an effect of position."""
    longer: Estimate | None
    """How often the longer answer is preferred, in pairs of different lengths."""
    equal_length: Estimate | None
    """How often the answer would be preferred if both were shown alike and equally long; None
    where fewer than ten pairs were judged alike in both orders."""


def measure_preferences(pairs: Sequence[JudgedPair]) -> Preferences:
    """Measures preferences, and the effects of position and length on them."""
    uneven = [pair for pair in pairs if pair.longer_by]
    return Preferences(
        average(pairs, lambda pair: pair.value),
        average(pairs, lambda pair: (pair.shown_first + 1 - pair.shown_last) / 2, answers=2),
        average(uneven, prefers_longer),
        fit_equal_length(pairs),
    )


def prefers_longer(pair: JudgedPair) -> float:
    """Returns how far the longer answer was preferred, 0 to 1."""
    return pair.value if pair.longer_by > 0 else 1 - pair.value


def average(
    pairs: Sequence[JudgedPair], read: Callable[[JudgedPair], float], answers: int = 1
) -> Estimate | None:
    """Returns a weighted share with Wilson's interval at the effective number of answers.

    Args:
        pairs: those that count.
        read: the share of one pair.
        answers: the independent answers of a judge that one pair can count as.
    """
    if not pairs:
        return None
    total = sum(pair.weight for pair in pairs)
    share = sum(read(pair) * pair.weight for pair in pairs) / total
    moves = [(read(pair) - share) * pair.weight * len(pairs) / total for pair in pairs]
    mean = measure_difference(moves, [pair.session for pair in pairs])
    size = answers * total**2 / sum(pair.weight**2 for pair in pairs)
    if mean.error > 0:
        size = max(1.0, min(size, share * (1 - share) / mean.error**2))
    low, high = wilson_interval_at(share * size, size, t_quantile(max(1, mean.clusters - 1)))
    return Estimate(share, low, high)


def fit_equal_length(pairs: Sequence[JudgedPair]) -> Estimate | None:
    """Fits the chance of being preferred by position and length; returns it without either.

    A logistic regression on the position (1 first, -1 last) and tanh(d / sd) of the difference in
    length d (Dubois et al. 2024), each pair with both orders; the interval is by the sandwich of
    sessions, and at least as wide as that of independent answers. Given the sum of its two orders,
    a pair whose verdict follows the order shows nothing of the answers: Student's t is that of the
    others. None where they are fewer than ten.
    """
    consistent = count_consistent(pairs)
    if consistent < LEAST_CONSISTENT:
        return None
    spread = math.sqrt(sum(pair.longer_by**2 for pair in pairs) / len(pairs)) or 1.0
    length = np.array([math.tanh(pair.longer_by / spread) for pair in pairs])
    ones = np.ones(len(pairs))
    rows = np.vstack([np.column_stack([ones, side * ones, length]) for side in (1, -1)])
    won = np.array([*(pair.shown_first for pair in pairs), *(pair.shown_last for pair in pairs)])
    weights = np.tile([pair.weight for pair in pairs], 2)
    weights = weights * (len(weights) / weights.sum())
    own, bread = fit_logistic(rows, won, weights)
    moves = rows * ((won - expit(rows @ own)) * weights)[:, None]
    names = sorted({str(pair.session) for pair in pairs})
    sums = np.zeros((len(names), 3))
    at = {name: place for place, name in enumerate(names)}
    np.add.at(sums, [at[str(pair.session)] for pair in pairs] * 2, moves)
    groups = len(names)
    meat = sums.T @ sums * (groups / max(1, groups - 1))
    error = math.sqrt(max(float((bread @ meat @ bread)[0, 0]), float(bread[0, 0])))
    reach = t_quantile(max(1, min(groups, int(consistent)) - 1)) * error
    return Estimate(*(float(expit(own[0] + side * reach)) for side in (0, -1, 1)))


def count_consistent(pairs: Sequence[JudgedPair]) -> float:
    """Counts the pairs judged alike in both orders, by weight; two ties count one half."""
    weight = sum(pair.weight for pair in pairs)
    alike = sum(
        pair.weight
        * (pair.shown_first * pair.shown_last + (1 - pair.shown_first) * (1 - pair.shown_last))
        for pair in pairs
    )
    return alike / weight * len(pairs) if pairs else 0.0


Array = NDArray[np.float64]


def fit_logistic(rows: Array, won: Array, weights: Array) -> tuple[Array, Array]:
    """Fits a logistic regression by Newton's method; returns it with its inverse information.

    Each coefficient is pulled a little towards 0; the second is that of the position.
    """
    own = np.zeros(rows.shape[1])
    prior = np.diag([PRIOR_PAIRS, PRIOR_OF_POSITION, PRIOR_PAIRS]) / 4
    bread: Array = prior
    for _ in range(STEPS):
        chance = expit(rows @ own)
        information = rows.T @ (rows * (weights * chance * (1 - chance))[:, None]) + prior
        bread = np.linalg.inv(information).astype(np.float64)
        step = bread @ (rows.T @ ((won - chance) * weights) - prior @ own)
        step = step * min(1.0, MOST / max(MOST, float(np.abs(step).max())))
        own = own + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return own, bread


def expit(x: Array) -> Array:
    """Returns the logistic function."""
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
