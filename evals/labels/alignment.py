"""How a judge is aligned with people: which labels it may see, and where its threshold should be.

Measures and proposes; a person's commit promotes. The 2 x 2 arithmetic is in `statistics`.
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

__all__ = ["Agreement", "Candidate", "Split", "measure", "propose_threshold", "split"]


def split(session_or_trace_id: str) -> Split:
    """The split of a label, for ever: a hash of its session, or of a trace that has none.

    Only `pool` may come into a prompt; `dev` chooses, `test` is looked at once a candidate.
    """
    text = f"andon-split:{session_or_trace_id}".encode("utf-8", "surrogatepass")
    share = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64
    if share < POOL:
        return "pool"
    return "dev" if share < DEV else "test"


def measure(pairs: Sequence[tuple[float, bool]], threshold: float) -> Agreement:
    """The 2 x 2 table of (graded score, whether the human passed it) at a threshold.

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
    """A threshold for a judge, proposed and not promoted."""

    threshold: float
    dev: Agreement
    """On the labels it was chosen on: optimistic."""
    test: Agreement | None
    """On labels that chose nothing; None without any."""


def balance(labels: Agreement) -> tuple[float, float]:
    """What a threshold is chosen by: the worse of TPR and TNR, then their sum."""
    tpr, tnr = labels.passes.rate, labels.fails.rate
    return (min(tpr, tnr), tpr + tnr)


def propose_threshold(
    dev: Sequence[tuple[float, bool]], test: Sequence[tuple[float, bool]] = ()
) -> Candidate:
    """The threshold-only candidate: the best min(TPR, TNR) on dev, then measured once on test.

    Args:
        dev: (graded score, whether the human passed it) of labels in the dev split.
        test: the same for the test split; it chooses nothing.

    Returns:
        Thresholds are midpoints between neighbouring scores; a tie goes to the nearest to .5.

    Raises:
        ValueError: dev lacks labels of one class.
    """
    if len({passed for _, passed in dev}) < 2:
        raise ValueError(
            "a threshold needs dev labels of both classes; label passing and failing answers"
        )
    values = sorted({value for value, _ in dev})
    midpoints = [max((a + b) / 2, math.nextafter(a, b)) for a, b in itertools.pairwise(values)]
    best = max(
        [*midpoints, values[0]],
        key=lambda at: (*balance(measure(dev, at)), -abs(at - 0.5), -at),
    )
    return Candidate(best, measure(dev, best), measure(test, best) if test else None)
