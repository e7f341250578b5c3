"""Tests of groups within one sample: is its share of fails chance, and which words mark it.

Vectorised over groups; how groups are searched is in `evals.slices`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.statistics.intervals import (
    ALPHA,
    ENOUGH,
    NORMAL,
    PRIOR_CORRELATION,
    PRIOR_SESSIONS,
    effective_n,
    normal_quantile,
    t_quantile,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TINY = 1e-18
PRIOR = 0.01
"""Of a word's count in all texts: how much the prior weighs."""
LARGEST_Z = 37.0


def compute_mid_p(failed: Ints, n: Ints, all_failed: Ints | int, all_n: Ints | int) -> Floats:
    """Computes the one-sided mid-p that a group drawn at random fails as often or more.

    Hypergeometric: half the probability of its own count, and that of all larger ones.

    Args:
        failed: fails in each group.
        n: rows in each.
        all_failed: fails in the sample that each was drawn from.
        all_n: rows of that sample.
    """
    k, size, fails, rows = np.broadcast_arrays(
        *(np.asarray(given, np.int64) for given in (failed, n, all_failed, all_n))
    )
    largest = int(rows.max(initial=0))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1, dtype=float)))])

    def choose(total: Ints, part: Ints) -> Floats:
        return logs[total] - logs[part] - logs[total - part]

    own = np.exp(choose(fails, k) + choose(rows - fails, size - k) - choose(rows, size))
    above, term, at = np.zeros(own.shape), own.copy(), k.astype(np.int64)
    while True:
        ratio = (fails - at) * (size - at) / ((at + 1) * (rows - fails - size + at + 1))
        if bool(((ratio <= 0) | ((ratio < 1) & (term * ratio < TINY * (above + own)))).all()):
            return np.minimum(1.0, own / 2 + above)
        ratio = np.maximum(ratio, 0.0)
        term = term * ratio
        above += term
        at = np.where(ratio > 0, at + 1, at)


def convert_p(p: float) -> float:
    """Returns the standard normal quantile that a one-sided p belongs to."""
    return LARGEST_Z if p < TINY**16 else -NORMAL.inv_cdf(min(max(p, 1e-300), 1 - 1e-16))


def find_cutoff(ps: Floats, tests: int, rate: float) -> float:
    """Finds the largest p that Benjamini and Hochberg's procedure rejects; -1 where it is none.

    Args:
        ps: the p values that may be small.
        tests: how many there are with those left out, which are larger than `rate`.
        rate: the false discovery rate.
    """
    ordered = np.sort(ps)
    fits = np.flatnonzero(ordered <= rate * np.arange(1, len(ps) + 1) / max(tests, 1))
    return float(ordered[fits[-1]]) if len(fits) else -1.0


class Clusters(NamedTuple):
    """Rows by session, and how alike the verdicts within one are."""

    codes: Ints
    """The session of each row, from 0."""
    sessions: int
    icc: float
    """The correlation of two rows of one session, shrunk towards .1."""
    is_single: bool
    """Whether each session has one row."""


def measure_clusters(failed: Floats, codes: Ints) -> Clusters:
    """Measures how alike the verdicts of one session are.

    Args:
        failed: 1 for a fail, 0 for a pass.
        codes: the session of each row, from 0.
    """
    count = int(codes.max(initial=-1)) + 1
    sizes = np.bincount(codes, minlength=count).astype(float)
    n, rate = len(failed), float(failed.mean()) if len(failed) else 0.0
    if count >= n or count < 2:
        return Clusters(codes, count, PRIOR_CORRELATION, count >= n)
    mean_size = float((sizes**2).sum()) / n
    sums = np.bincount(codes, failed - rate, minlength=count)
    spread = rate * (1 - rate) * n
    excess = count / (count - 1) * float((sums**2).sum()) / spread - 1 if spread else 0.0
    icc = max(0.0, excess / (mean_size - 1))
    weight = count * min(1.0, min(float(failed.sum()), n - float(failed.sum())) / ENOUGH)
    shrunk = (weight * icc + PRIOR_SESSIONS * PRIOR_CORRELATION) / (weight + PRIOR_SESSIONS)
    return Clusters(codes, count, shrunk, is_single=False)


def shrink_evidence(inside: Bools, failed: Floats, clusters: Clusters) -> float:
    """Returns the factor of a group's z because rows of one session move together, at most 1.

    The larger of two design effects counts: the one that the group shows, and the one that its
    sessions would have by the correlation of all rows. Rows of one session alone show nothing: 0.
    """
    if clusters.is_single:
        return 1.0
    own = clusters.codes[inside]
    sizes = np.bincount(own, minlength=clusters.sessions).astype(float)
    sessions, n = int((sizes > 0).sum()), len(own)
    if sessions < 2:
        return 0.0
    share, rate = n / len(failed), float(failed.mean())
    scores = (inside - share) * (failed - rate)
    sums = np.bincount(clusters.codes, scores, minlength=clusters.sessions)
    squares = float((scores**2).sum())
    shown = clusters.sessions / (clusters.sessions - 1) * float((sums**2).sum()) / squares
    mean_size = float((sizes**2).sum()) / n
    supposed = 1 + (mean_size - 1) * clusters.icc
    few = normal_quantile(ALPHA) / t_quantile(sessions - 1, ALPHA) if mean_size > 1 else 1.0
    return few / math.sqrt(max(1.0, shown, supposed))


def find_effective_size(inside: Bools, failed: Floats, clusters: Clusters) -> float:
    """Returns how many independent rows a group is worth, for the interval of its rate."""
    own, n = failed[inside], int(inside.sum())
    if clusters.is_single or not n:
        return float(n)
    _, codes = np.unique(clusters.codes[inside], return_inverse=True)
    sizes, sums = np.bincount(codes), np.bincount(codes, own - own.mean())
    passed, squares = n - int(own.sum()), float((sums**2).sum())
    return effective_n(passed, n, len(sizes), squares, float((sizes**2).sum()))


def weigh_words(inside: Floats, outside: Floats) -> Floats:
    """Weighs by how much more words are used inside a group than outside: z of the log-odds ratio.

    With an informative Dirichlet prior, the words' counts in both (Monroe et al. 2008). A word
    alone has no odds against others: 0.
    """
    if len(inside) < 2:
        return np.zeros(len(inside))
    prior = PRIOR * (inside + outside)

    def compute_odds(counts: Floats) -> Floats:
        ours = counts + prior
        return np.log(ours) - np.log(ours.sum() - ours)

    difference = compute_odds(inside) - compute_odds(outside)
    return difference / np.sqrt(1 / (inside + prior) + 1 / (outside + prior))
