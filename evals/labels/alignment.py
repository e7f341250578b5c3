"""Alignment of judges with people: the splits of labels, and the choice of thresholds.

Measures and proposes; a person promotes by a commit. The 2 x 2 arithmetic is in `statistics`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals.statistics import Agreement

Split = Literal["pool", "dev", "test"]

POOL, DEV = 0.15, 0.575
"""Cumulative shares: 15% few-shot pool, 42.5% dev, 42.5% locked test."""

__all__ = [
    "Agreement",
    "Candidate",
    "Split",
    "choose_split",
    "measure_agreement",
    "propose_threshold",
]


def choose_split(session_or_trace_id: str) -> Split:
    """Chooses the permanent split of a label, by a hash of its session or else its trace.

    Only `pool` may appear in a prompt; `dev` chooses, `test` is measured once per candidate.
    """
    text = f"andon-split:{session_or_trace_id}".encode("utf-8", "surrogatepass")
    share = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64
    if share < POOL:
        return "pool"
    return "dev" if share < DEV else "test"


def measure_agreement(pairs: Sequence[tuple[float, bool]], threshold: float) -> Agreement:
    """Returns the 2 x 2 table of (graded score, whether the human passed it) at a threshold.

    A score at or above the threshold is a pass.
    """
    cells = [(value >= threshold, passed) for value, passed in pairs]
    return Agreement(
        tp=cells.count((True, True)),
        fn=cells.count((False, True)),
        fp=cells.count((True, False)),
        tn=cells.count((False, False)),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed threshold for a judge, not yet promoted."""

    threshold: float
    dev: Agreement
    """Agreement on the labels the threshold was chosen on: optimistic."""
    test: Agreement | None
    """Agreement on labels that were not used for the choice; None without any."""


def build_sort_key(labels: Agreement) -> tuple[float, float]:
    """Returns the sort key of a threshold: the worse of TPR and TNR, then their sum."""
    tpr, tnr = labels.passes.rate, labels.fails.rate
    return (min(tpr, tnr), tpr + tnr)


def propose_threshold(
    dev: Sequence[tuple[float, bool]], test: Sequence[tuple[float, bool]] = ()
) -> Candidate:
    """Proposes the threshold with the best min(TPR, TNR) on dev, and measures it once on test.

    Args:
        dev: (graded score, whether the human passed it) of labels in the dev split.
        test: the same for the test split, not used for the choice.

    Returns:
        The candidate. Thresholds are midpoints between neighbouring scores; of equals the one
        nearest to .5 wins.

    Raises:
        ValueError: when dev lacks labels of one class.
    """
    if len({passed for _, passed in dev}) < 2:
        raise ValueError(
            "a threshold needs dev labels of both classes; label passing and failing answers"
        )
    values = sorted({value for value, _ in dev})
    midpoints = [max((a + b) / 2, math.nextafter(a, b)) for a, b in itertools.pairwise(values)]
    best = max(
        [*midpoints, values[0]],
        key=lambda at: (*build_sort_key(measure_agreement(dev, at)), -abs(at - 0.5), -at),
    )
    return Candidate(
        best, measure_agreement(dev, best), measure_agreement(test, best) if test else None
    )
