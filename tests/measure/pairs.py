"""A simulated judge of two answers with known effects of position and length.

No labelled pairs come with a package, so the truth is made: how often the answer is preferred when
both are shown alike and equally long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp, tanh
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from evals.statistics.preferences import JudgedPair, measure_preferences

RUNS, SPREAD = 400, 180
STEPS = 20_000


class Judge(NamedTuple):
    """How a judge is drawn, in logits."""

    preference: float
    position: float
    length: float
    pairs: int = 200

    def choose(self, rng: random.Random, longer: float, side: float, quality: float) -> float:
        """Returns whether it prefers the answer."""
        logit = self.preference + quality + side * self.position
        return float(rng.random() < 1 / (1 + exp(-logit - self.length * tanh(longer / SPREAD))))


JUDGES = {
    "no effects": Judge(-0.2, 0.0, 0.0),
    "position": Judge(-0.2, 0.8, 0.0),
    "length": Judge(-0.2, 0.0, 1.0),
    "position and length": Judge(-0.2, 0.8, 1.0),
    "position decides .99": Judge(0.405, 4.6, 0.0),
    "position decides .99, 500 pairs": Judge(0.405, 4.6, 0.0, pairs=500),
    "position decides .99, 1,000 pairs": Judge(0.405, 4.6, 0.0, pairs=1000),
}


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields, by judge, the truth, what each way of counting gives, and how often it is covered."""
    del data
    for name, judge in JUDGES.items():
        rng = random.Random(1)
        truth = fmean(judge.choose(rng, 0, 0, rng.gauss(0, 0.5)) for _ in range(STEPS))
        runs = [draw_night(judge, random.Random(seed)) for seed in range(RUNS)]
        measured = [measure_preferences(pairs) for pairs in runs]
        fits = [one.equal_length for one in measured if one.equal_length]
        first = [fmean(pair.shown_first for pair in pairs) for pairs in runs]
        clear = [[p.value for p in pairs if p.value != 0.5] or [0.5] for pairs in runs]
        yield {
            "judge": name,
            "pairs": judge.pairs,
            "truth": round(truth, 3),
            "shown_first_only": round(fmean(first), 3),
            "consistent_only": round(fmean(map(fmean, clear)), 3),
            "both_orders": round(fmean(o.preferred.value for o in measured if o.preferred), 3),
            "shown": round(len(fits) / RUNS, 3),
            "equal_length": round(fmean(fit.value for fit in fits), 3) if fits else None,
            "covered": round(fmean(fit.low <= truth <= fit.high for fit in fits), 3)
            if fits
            else None,
            "width": round(fmean(fit.high - fit.low for fit in fits), 3) if fits else None,
            "first_preferred": round(fmean(o.first.value for o in measured if o.first), 3),
        }


def draw_night(judge: Judge, rng: random.Random) -> list[JudgedPair]:
    """Draws a night's pairs; the answer is on average 100 characters longer than the other."""
    pairs: list[JudgedPair] = []
    for number in range(judge.pairs):
        longer, quality = round(rng.gauss(100, 150)), rng.gauss(0, 0.5)
        verdicts = [judge.choose(rng, longer, side, quality) for side in (1, -1)]
        pairs.append(JudgedPair(*verdicts, longer_by=longer, session=number))
    return pairs
