"""Intervals of one rate, and how many independent rows clustered ones are worth.

What two rates say of each other is `comparisons`'.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import NamedTuple

ALPHA = 0.05
NORMAL = NormalDist()


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


class Errors(NamedTuple):
    """Two standard errors of one mean."""

    clt: float
    """As if every row were independent."""
    clustered: float
    """CR1: rows of one conversation move together."""


def normal_quantile(alpha: float = ALPHA) -> float:
    """The standard normal quantile of a two-sided level."""
    return NORMAL.inv_cdf(1 - alpha / 2)


def t_probability(t: float, df: int) -> float:
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
    z = normal_quantile(alpha)
    if df > 200:
        return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    low, high = z, 2 * z
    while t_probability(high, df) < 1 - alpha:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, df) < 1 - alpha else (low, middle)
    return (low + high) / 2


def wilson_interval_at(passed: float, n: float, z: float) -> Interval:
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


def wilson_interval(passed: float, n: float, alpha: float = ALPHA) -> Interval:
    """Wilson's score interval (1927) of `passed` in `n`; both may be fractional (effective)."""
    return wilson_interval_at(passed, n, normal_quantile(alpha))


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


PRIOR_CORRELATION, PRIOR_SESSIONS = 0.1, 30
"""The correlation within a session that is assumed at first, and how many sessions outweigh it."""
ENOUGH = 10
"""So many rows of the rarer verdict show the correlation as well as their sessions can."""


class Clusters(NamedTuple):
    """The sessions of some rows."""

    number: int
    size: float
    """Rows in the session of a row: the sum of squared sizes over the rows."""


def effective_n(
    passed: int,
    n: int,
    clusters: int | None,
    session_ss: float | None,
    session_squares: float | None = None,
    alpha: float = ALPHA,
) -> float:
    """How many independent rows carry as much information as these clustered ones.

    Args:
        passed: rows that passed.
        n: rows with a verdict.
        clusters: sessions among them; None: every row is one.
        session_ss: the sum over sessions of (sum over rows of (s - rate)) squared.
        session_squares: the sum of squared sizes of sessions; None: all have the same.
        alpha: the interval's level.
    """
    if n < 2 or clusters is None or session_ss is None or clusters >= n:
        return float(n)
    if clusters < 2:
        return 1.0
    rate = passed / n
    errors = standard_errors(passed, n, clusters, session_ss)
    design = errors.clustered**2 * n / (rate * (1 - rate)) if 0 < rate < 1 else 0.0
    sessions = describe_clusters(n, clusters, session_squares)
    return deflate_size(n, design, sessions, min(passed, n - passed), alpha)


def describe_clusters(n: float, clusters: int, session_squares: float | None) -> Clusters:
    """Returns the sessions of rows; without their sizes all have the same."""
    return Clusters(clusters, max((session_squares or 0.0) / n, n / clusters))


def deflate_size(
    size: float, design: float, sessions: Clusters, rarer: float, alpha: float = ALPHA
) -> float:
    """Deflates a sample size for rows of one session that move together.

    The correlation within sessions is the rate's own, shrunk towards a prior: with few sessions,
    or few rows of the rarer verdict, the rows alone do not show it. The design effect is never
    below what they show; t(G-1) replaces the normal quantile.

    Args:
        size: rows, or Kish's size of weighted ones.
        design: the variance of the rate over that of as many independent rows; 0: not shown.
        sessions: at least 2.
        rarer: rows of the rarer verdict.
        alpha: the interval's level.
    """
    more = sessions.size - 1
    own = max(0.0, (design - 1) / more) if more > 0 else 0.0
    weight = sessions.number * min(1.0, rarer / ENOUGH)
    shrunk = (weight * own + PRIOR_SESSIONS * PRIOR_CORRELATION) / (weight + PRIOR_SESSIONS)
    effect = max(1.0, design, 1 + more * shrunk)
    ratio = t_quantile(sessions.number - 1, alpha) / normal_quantile(alpha)
    return max(1.0, size / effect / ratio**2)
