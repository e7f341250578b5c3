"""What reports show of judges in simulated nights, by the queue, splits, looks and estimates.

Drops of rates are in `promises`, their intervals in `intervals`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.labels.alignment import choose_split
from evals.labels.queue_reasons import Signal
from evals.labels.review_queue import Drawn, ReviewDimension, build_queue
from evals.reports.decide.judge_labels import LOOKS, JudgeLabels
from evals.reports.decide.rows import Labelled
from evals.specs.review import ReviewQueue
from evals.statistics import Proportion
from evals.storage.documents.review_queues import ReviewQuestion

NIGHT = date(2026, 10, 1)
DIMENSIONS = {"right": ReviewDimension("right", "Is it right?")}
CELLS = {(True, True): "tp", (True, False): "fn", (False, True): "fp", (False, False): "tn"}
"""By what people and the judge decided; pass is true."""


@dataclass(frozen=True)
class Judge:
    """A judge, and the nights that it judges."""

    tpr: float
    tnr: float
    rate: float = 0.88
    """Of answers that people pass."""
    traces: int = 1000
    """A night."""
    queue: int = 20
    """Answers a night that people read."""

    def draw_night(self, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Draws what people would decide on each answer, and what the judge decides."""
        people = rng.random(self.traces) < self.rate
        passed = rng.random(self.traces) < np.where(people, self.tpr, 1 - self.tnr)
        return people, passed


def label_night(judge: Judge, rng: np.random.Generator, night: date) -> Labelled:
    """Labels a night's queue."""
    people, passed = judge.draw_night(rng)
    ids = [f"{night}-{i}" for i in range(judge.traces)]
    failures = [Signal(ids[i], "failed", "judge") for i in np.flatnonzero(~passed)]
    queue = build_queue("desk", ids, failures, {}, DIMENSIONS, ReviewQueue(size=judge.queue))
    return count_labels(queue, people, passed, night)


def count_labels(
    queue: Iterable[Drawn | ReviewQuestion],
    people: NDArray[np.bool_],
    passed: NDArray[np.bool_],
    night: date,
) -> Labelled:
    """Sums the labels of a queue as the mart `fct_agreement` does.

    Args:
        queue: what people read, each with an id that ends in its place.
        people: what they decide on each answer of the night.
        passed: what the judge decides.
        night: the night.
    """
    sums = dict.fromkeys(Labelled._fields[3:7], 0) | dict.fromkeys(
        (name for name in Labelled._fields if name.startswith(("test_", "sampled_", "locked_"))), 0
    )
    for one in queue:
        i, split = int(one.trace_id.rpartition("-")[2]), choose_split(one.trace_id)
        cell, weight = CELLS[bool(people[i]), bool(passed[i])], 1 / (one.probability or 1)
        verdict = "pass" if passed[i] else "fail"
        groups = {"pool": (), "dev": ("sampled",), "test": ("sampled", "locked")}[split]
        for group in groups:
            sums[f"{group}_{cell}"] += weight
            sums[f"{group}_{verdict}_squares"] += weight**2
            sums[f"{group}_{verdict}_labels"] += 1
            if not people[i]:
                sums[f"{group}_{cell}_squares"] += weight**2
        sums[cell] += 1
        if split == "test":
            sums[f"test_{cell}"] += 1
            sums["locked_passes" if people[i] else "locked_failures"] += 1
    n = len(passed)
    row = Labelled("right", "judge", "v1", date=night, **sums)
    return row._replace(judged=n, judged_weight=float(n), judged_weight_passed=float(passed.sum()))


class Shown(NamedTuple):
    """What reports show of a judge whose labels come from its queue."""

    tpr: float
    """The mean of the rates shown; of each label counted as one in `tpr_of_labels`."""
    tpr_of_labels: float
    tpr_covered: float
    """The share of its intervals that contain the true one."""
    tnr_covered: float
    rate_covered: float
    """The same of the night's true rate."""
    rate_width: float
    """The mean width of that interval."""
    moved_covered: float
    """The share for another night, of a true rate that is 8 points lower."""
    moved_width: float


def show_judge(judge: Judge, seed: int, samples: int) -> Shown:
    """Measures what a night's labels show of a judge, and of a later night without labels."""
    rng, later = np.random.default_rng(seed), NIGHT + timedelta(days=7)
    worse = replace(judge, rate=judge.rate - 0.08)
    figures = list[tuple[float, ...]]()
    for _ in range(samples):
        labels = JudgeLabels((label_night(judge, rng, NIGHT),))
        row, sides = labels.rows[0], labels.sides
        assert sides
        tonight = Proportion(row.judged_weight_passed, row.judged)
        shown, _ = labels.estimate(tonight, NIGHT)
        moved, _ = labels.estimate(
            Proportion(int(worse.draw_night(rng)[1].sum()), judge.traces), later
        )
        assert shown
        assert moved
        figures.append((
            sides.tpr.value,
            labels.counted.passes.rate,
            sides.tpr.low <= judge.tpr <= sides.tpr.high,
            sides.tnr.low <= judge.tnr <= sides.tnr.high,
            shown.low <= judge.rate <= shown.high,
            shown.high - shown.low,
            moved.low <= worse.rate <= moved.high,
            moved.high - moved.low,
        ))  # fmt: skip
    return Shown(*(float(figure) for figure in np.mean(figures, axis=0)))


def share_aligned(rate: float, seed: int, judges: int, each: int = 2) -> float:
    """Returns the share of judges that are aligned at some look.

    Args:
        rate: TPR and TNR of each.
        seed: of the draws.
        judges: how many.
        each: the test labels of each class that a night brings.
    """
    rng, aligned = np.random.default_rng(seed), 0
    for _ in range(judges):
        right = rng.binomial(each, rate, (LOOKS[-1] // each, 2))
        rows = (
            Labelled("d", "e", "v", int(tp), each - int(tp), each - int(tn), int(tn))
            for tp, tn in right
        )
        aligned += any(look.has_passed for look in JudgeLabels(tuple(rows)).looks)
    return aligned / judges


class Wait(NamedTuple):
    """How long a judge is watched only."""

    nights: float
    """The median until it decides."""
    aligned: float
    """The share that decides within 90 nights."""


def measure_wait(judge: Judge, seed: int, judges: int, nights: int = 90) -> Wait:
    """Measures how many nights of its queue a judge needs to be aligned."""
    rng, waits = np.random.default_rng(seed), list[float]()
    for _ in range(judges):
        days = [NIGHT + timedelta(days=i) for i in range(nights)]
        rows = [label_night(judge, rng, day) for day in days]
        until = (i for i in range(1, nights + 1) if JudgeLabels(tuple(rows[:i])).is_aligned)
        waits.append(float(next(until, np.inf)))
    return Wait(float(np.median(waits)), float(np.mean(np.isfinite(waits))))
