"""What the labels of a review queue with every reason show of a night's true rate.

The judge's own TPR and TNR are in `judges`.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.labels.queue_reasons import Signal
from evals.labels.review_queue import draw_traces
from evals.reports.decide.judge_labels import JudgeLabels
from evals.specs.review import ReviewQueue
from evals.statistics import Proportion
from tests.simulate.judges import count_labels

NIGHT = date(2026, 10, 1)
CERTAIN = 0.05
"""The share of nights with an estimate from which on its coverage is measured."""


class Scores(NamedTuple):
    """What a judge's P(fail) is of answers that people fail and pass; it fails those above .5."""

    failing: float
    passing: float
    spread: float
    is_hostile: bool = False
    """Whether guards and users complain of good answers alone."""


JUDGES = {
    "good": Scores(0.75, 0.2, 0.15),
    "poor": Scores(0.3, 0.3, 0.25),
    "adversarial": Scores(0.25, 0.45, 0.2, is_hostile=True),
}


class Shown(NamedTuple):
    """What the labels of a queue show of the rate at which answers pass, over many nights."""

    shown: float
    """The share of nights whose labels suffice for an estimate."""
    covered: float | None
    """The share of its 95% intervals that contain the true rate; None: hardly any are shown."""
    width: float | None
    """Their mean width."""
    bias: float | None
    plain_bias: float
    """The same of the labels, each counted as one."""


def show_queue(
    spec: ReviewQueue, scores: Scores, rate: float, seed: int, nights: int, traces: int = 2000
) -> Shown:
    """Measures what nights' labels show through the queue, its chances and the report's estimate.

    Args:
        spec: how the queue is drawn.
        scores: the judge.
        rate: of answers that fail.
        seed: of the draws.
        nights: how many.
        traces: of each.
    """
    rng, plain = np.random.default_rng(seed), list[float]()
    shown = list[tuple[float, ...]]()
    for night in range(nights):
        fails = rng.random(traces) < rate
        mean = np.where(fails, scores.failing, scores.passing)
        score = np.clip(rng.normal(mean, scores.spread), 0.01, 0.99)
        ids = [f"{seed}-{night}-{i}" for i in range(traces)]
        signals = list_signals(ids, fails, score, rng, is_hostile=scores.is_hostile)
        drawn = draw_traces(ids, signals, spec)
        labels = JudgeLabels((count_labels(drawn, ~fails, score <= 0.5, NIGHT),))
        plain.append(labels.counted.passes.n / labels.counted.n - 1 + rate)
        tonight = Proportion(int((score <= 0.5).sum()), traces)
        estimate, _ = labels.estimate(tonight, NIGHT)
        if estimate:
            covered = estimate.low <= 1 - rate <= estimate.high
            shown.append((covered, estimate.high - estimate.low, estimate.value - 1 + rate))
    share, plain_bias = len(shown) / nights, float(np.mean(plain))
    if share < CERTAIN:
        return Shown(share, None, None, None, plain_bias)
    covered, width, bias = (round(float(figure), 4) for figure in np.mean(shown, axis=0))
    return Shown(share, covered, width, bias, plain_bias)


def list_signals(
    ids: list[str],
    fails: NDArray[np.bool_],
    score: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    is_hostile: bool,
) -> list[Signal]:
    """Lists the reasons of a night: verdicts, scores near one half, a guard, a few complaints."""
    nearest = np.argsort(abs(score - 0.5))[: len(ids) // 10]
    fired = (rng.random(len(ids)) < 0.1) & ~(fails & is_hostile)
    complained = (fails ^ is_hostile) & (rng.random(len(ids)) < 0.03)
    return [
        *(Signal(ids[i], "failed", "judge") for i in np.flatnonzero(score > 0.5)),
        *(Signal(ids[i], "uncertain", "judge") for i in nearest),
        *(Signal(ids[i], "guard", "pii") for i in np.flatnonzero(fired)),
        *(Signal(ids[i], "complaint") for i in np.flatnonzero(complained)),
    ]
