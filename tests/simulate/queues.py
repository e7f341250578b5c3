"""What the labels of a review queue with every reason show of a night's true rate.

The judge's own TPR and TNR are in `judges`.
"""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

import numpy as np

from evals.labels.queue_reasons import Signal
from evals.labels.review_queue import draw_traces
from evals.specs.review import ReviewQueue

NIGHT = date(2026, 10, 1)


class Shown(NamedTuple):
    """What an estimate from a queue shows, over many nights."""

    bias: float
    spread: float
    """The root of the mean squared error."""
    covered: float
    """The share of 95% intervals that contain the true rate."""
    labels: float
    """The mean number of labels."""


class Figures(NamedTuple):
    """Three estimates of the rate at which answers fail."""

    corrected: Shown
    """AIPW: the mean of the judge's scores, corrected by labels weighted by 1 / chance."""
    weighted: Shown
    """Horvitz and Thompson's: the labels alone, weighted by 1 / chance."""
    plain: Shown
    """The labels alone, each counted as one."""


def show_queue(
    spec: ReviewQueue, seed: int, nights: int, traces: int = 2000, rate: float = 0.12
) -> Figures:
    """Measures estimates of the failure rate from queues that prefer what looks bad.

    The judge's score is P(fail) with errors. Reasons are what fails, the scores nearest to one
    half, a guard that fires on a tenth, and a few complaints about answers that fail.

    AIPW with Poisson's variance (Robins, Rotnitzky and Zhao, 1994; Zrnic and Candes, "Active
    statistical inference", 2024): mean(s) + sum (y - s) / p / N, and its variance
    sum (y - s)^2 (1 - p) / p^2 / N^2, to which the night's own sampling is not added.
    """
    rng = np.random.default_rng(seed)
    errors: list[tuple[float, ...]] = []
    for night in range(nights):
        fails = rng.random(traces) < rate
        score = np.clip(rng.normal(np.where(fails, 0.65, 0.25), 0.25), 0.01, 0.99)
        ids = [f"{seed}-{night}-{i}" for i in range(traces)]
        drawn = draw_traces(ids, list_signals(ids, fails, score, rng), spec)
        at = np.array([int(one.trace_id.rpartition("-")[2]) for one in drawn])
        chance = np.array([one.probability for one in drawn])
        y = fails[at].astype(float)
        residual = y - score[at]
        truth = float(fails.mean())
        corrected = float(score.mean() + (residual / chance).sum() / traces)
        weighted = float((y / chance).sum() / traces)
        variances = [
            float((part**2 * (1 - chance) / chance**2).sum()) / traces**2 for part in (residual, y)
        ]
        half = [1.96 * math.sqrt(variance) for variance in variances]
        plain = float(y.mean())
        errors.append((
            corrected - truth, abs(corrected - truth) <= half[0],
            weighted - truth, abs(weighted - truth) <= half[1],
            plain - truth, abs(plain - truth) <= 1.96 * math.sqrt(plain * (1 - plain) / len(at)),
            len(at),
        ))  # fmt: skip
    figures = np.array(errors, dtype=float)
    return Figures(*(summarise(figures[:, [i, i + 1, 6]]) for i in (0, 2, 4)))


def list_signals(
    ids: list[str],
    fails: np.ndarray[tuple[int], np.dtype[np.bool_]],
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    rng: np.random.Generator,
) -> list[Signal]:
    """Lists the reasons of a night."""
    nearest = np.argsort(abs(score - 0.5))[: len(ids) // 10]
    complained = np.flatnonzero(fails & (rng.random(len(ids)) < 0.03))
    return [
        *(Signal(ids[i], "failed", "judge") for i in np.flatnonzero(score > 0.5)),
        *(Signal(ids[i], "uncertain", "judge") for i in nearest),
        *(Signal(ids[i], "guard", "pii") for i in np.flatnonzero(rng.random(len(ids)) < 0.1)),
        *(Signal(ids[i], "complaint") for i in complained),
    ]


def summarise(figures: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Shown:
    """Summarises errors, whether intervals cover, and numbers of labels."""
    bias, covered, labels = (float(one) for one in figures.mean(axis=0))
    return Shown(bias, float(np.sqrt((figures[:, 0] ** 2).mean())), covered, labels)
