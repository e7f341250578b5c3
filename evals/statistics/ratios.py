"""Precision, recall and F1 of counted parts, with intervals clustered by session.

Each is a ratio of two sums over sessions. Its variance is the linearised one of a ratio estimator
(Taylor; Cochran 1977, 6.3) between sessions, and its interval Wilson's with the effective number of
parts that has this variance, Student's t for the sessions, and never more than the parts counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from evals.statistics.intervals import (
    ALPHA,
    Interval,
    deflate_size,
    describe_clusters,
    wilson_interval,
)


class PartCounts(NamedTuple):
    """How often a part was right and wrong; fractions where answers weigh more than others."""

    right: float = 0
    wrong: float = 0
    """Both have a value, and they differ."""
    missed: float = 0
    """Gold has a value, the answer none."""
    invented: float = 0
    """The answer has a value, gold none."""
    absent: float = 0
    """Neither has a value."""

    def add(self, other: PartCounts) -> PartCounts:
        """Returns the sums."""
        return PartCounts(*(a + b for a, b in zip(self, other, strict=True)))


class Ratio(NamedTuple):
    """The two sums of a figure, and the parts it rests on."""

    over: float
    under: float
    parts: float


def precision(c: PartCounts) -> Ratio:
    """Right among the values given."""
    given = c.right + c.wrong + c.invented
    return Ratio(c.right, given, given)


def recall(c: PartCounts) -> Ratio:
    """Right among the values of gold."""
    gold = c.right + c.wrong + c.missed
    return Ratio(c.right, gold, gold)


def f1(c: PartCounts) -> Ratio:
    """The harmonic mean of both; a wrong value counts against each."""
    parts = c.right + c.wrong + c.missed + c.invented
    return Ratio(2 * c.right, 2 * (c.right + c.wrong) + c.missed + c.invented, parts)


def specificity(c: PartCounts) -> Ratio:
    """Rightly absent among the parts for which gold has no value."""
    none = c.absent + c.invented
    return Ratio(c.absent, none, none)


Figure = Callable[[PartCounts], Ratio]
FIGURES: dict[str, Figure] = {
    "precision": precision, "recall": recall, "f1": f1, "specificity": specificity
}  # fmt: skip


class Estimate(NamedTuple):
    """A figure with its interval; None where nothing was counted."""

    value: float | None
    low: float | None = None
    high: float | None = None


Sessions = Mapping[str, PartCounts]
"""The counts of one part, or of all together, by session."""


def sum_counts(sessions: Sessions) -> PartCounts:
    """Returns the counts of all sessions."""
    total = PartCounts()
    for counts in sessions.values():
        total = total.add(counts)
    return total


def estimate(sessions: Sessions, figure: Figure, alpha: float = ALPHA) -> Estimate:
    """Returns a figure of one part, or of all parts together (micro), with its interval."""
    return estimate_mean([sessions], figure, alpha)


def estimate_mean(
    parts: Sequence[Sessions],
    figure: Figure,
    alpha: float = ALPHA,
    counted_parts: Sequence[Sessions] | None = None,
) -> Estimate:
    """Returns the mean of a figure over parts (macro), with its interval.

    Parts for which nothing was counted are left out.

    Args:
        parts: the counts, each answer with its weight.
        figure: what is computed of them.
        alpha: the interval's level.
        counted_parts: the same without weights, which the interval rests on; None: none weigh more.
    """
    totals = [figure(sum_counts(part)) for part in parts]
    plain = parts if counted_parts is None else counted_parts
    counted = [
        (part, own, total)
        for part, own, total in zip(parts, plain, totals, strict=True)
        if total.under
    ]
    if not counted:
        return Estimate(None)
    value = math.fsum(total.over / total.under for _, _, total in counted) / len(counted)
    influence: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for part, unweighted, total in counted:
        ratio = total.over / total.under
        for session, counts in part.items():
            own = figure(counts)
            pull = (own.over - ratio * own.under) / total.under / len(counted)
            influence[session] = influence.get(session, 0.0) + pull
            sizes[session] = sizes.get(session, 0) + figure(unweighted[session]).parts
    used = {session: size for session, size in sizes.items() if size}
    variance = math.fsum(influence[session] ** 2 for session in used)
    interval = find_interval(value, variance, list(used.values()), alpha)
    return Estimate(value, interval.low, interval.high)


def find_interval(value: float, variance: float, sizes: Sequence[float], alpha: float) -> Interval:
    """Returns Wilson's interval with the effective number of parts.

    Args:
        value: the figure.
        variance: the sum of its sessions' squared influences.
        sizes: the parts that each session counted.
        alpha: the interval's level.
    """
    n, sessions = sum(sizes), len(sizes)
    if sessions < 2:
        return wilson_interval(value, 1.0, alpha)
    design = 0.0
    if 0 < value < 1:
        design = variance * sessions / (sessions - 1) * n / (value * (1 - value))
    squares = math.fsum(size * size for size in sizes)
    clusters = describe_clusters(n, sessions, squares)
    size = min(deflate_size(n, design, clusters, min(value, 1 - value) * n, alpha), float(n))
    return wilson_interval(value * size, size, alpha)
