"""Paired differences: two measurements of the same subjects, clustered by session or source.

Formula: the mean difference with the clustered standard error of the differences, or the
unclustered one where that is larger.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple


class PairedMean(NamedTuple):
    """A mean difference with its standard error."""

    value: float
    error: float
    clusters: int


def measure_difference(differences: Sequence[float], clusters: Sequence[Hashable]) -> PairedMean:
    """Returns the mean of paired differences with its standard error; there is at least one."""
    n = len(differences)
    mean = sum(differences) / n
    residuals: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(differences, clusters, strict=True):
        residuals[cluster] += value - mean
    plain = sum((value - mean) ** 2 for value in differences) / (n * max(1, n - 1))
    groups = len(residuals)
    clustered = sum(value * value for value in residuals.values()) / n**2
    clustered *= groups / max(1, groups - 1)
    return PairedMean(mean, math.sqrt(max(plain, clustered)), groups)
