"""The fall of one series: its level against the baseline before it, and whether it recovered.

Which falls are one incident is decided in `incidents`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from evals.statistics.series import (
    FULL,
    GAP,
    LONGEST,
    Bools,
    Fit,
    Panel,
    fit_baseline,
    invert_transform,
)

ALL = "all"
"""The slice of all traces."""
Key = tuple[str, str, str]
"""Dimension, evaluator and slice."""
WHOLE: Key = ("", "", ALL)
"""The mean of an application's dimensions."""

RECOVERED = math.log(1000)
LEAST_LEVEL = 0.8
"""Of a night's sd: the smallest level against which a recovery is tested."""
LEFT = 1 / 3
"""Of the level: the excess that a recovery may leave; more is an improvement."""
RECENT = 7
"""Nights that do not count for the level, and that show an improvement."""
LEAST_RECENT = 3
ONE_SIDED = 1.6448536
"""The normal quantile of a one-sided bound at 95%."""


@dataclass
class Fall:
    """One series of an incident."""

    key: Key
    start: int
    """The position of its first night."""
    opened: int
    fit: Fit
    """The baseline before it, frozen."""
    recovery: float = 0.0
    """The log of the likelihood ratio of a recovery, from 0 to `RECOVERED`."""
    run: list[float] = field(default_factory=list[float])
    """The excess of the nights since that was 0."""
    level: float = 0.0
    """The excess on the scale, without the last nights."""
    worst: float = 0.0
    """The highest level so far."""
    excess: list[float] = field(default_factory=list[float])
    """Of each night since the start that was scored."""
    first_nights: int = 0
    """How many of them opened it."""
    is_improved: bool = False
    is_comparable: bool = True
    """Whether its evaluator has the version of the baseline."""
    is_over: bool = False
    error: float = 0.0
    """The variance of the baseline beyond that of its nights, where it was carried over."""
    usable: Bools | None = None
    """Which nights could be in a baseline before the fall was accepted."""

    def measure_excess(self, panel: Panel, night: int) -> float | None:
        """Returns a night's excess over the frozen baseline; None where it cannot be compared."""
        y = float(panel.y[0, night])
        if not math.isfinite(y) or not self.is_comparable:
            return None
        return y - float(self.fit.expect(int(panel.weekdays[night]))[0])

    def find_sd(self, panel: Panel, night: int) -> float:
        """Returns the sd of a night."""
        weekday, variance = int(panel.weekdays[night]), panel.variance[:, night]
        return float(self.fit.predict_sd(weekday, variance)[0])

    def find_level(self, sd: float) -> float:
        """Returns the excess since the start without the last nights, cautiously low."""
        counted = self.excess[: max(self.first_nights, len(self.excess) - RECENT)]
        mean = math.fsum(counted) / len(counted)
        return max(mean - sd / math.sqrt(len(counted)) / 2, LEAST_LEVEL * sd)

    def find_largest(self, panel: Panel, night: int) -> float:
        """Returns the upper bound of the drop of the rate since the start (95%, one-sided)."""
        expected = float(self.fit.expect(int(panel.weekdays[night]))[0])
        mean = math.fsum(self.excess) / len(self.excess)
        upper = mean + ONE_SIDED * self.find_sd(panel, night) / math.sqrt(len(self.excess))
        edges = invert_transform(np.array([expected, expected + upper]))
        return float(edges[1] - edges[0])

    def add_night(self, panel: Panel, night: int) -> None:
        """Adds a night: its excess, and the evidence of a recovery that it adds."""
        excess = self.measure_excess(panel, night)
        if excess is None:
            return
        sd = self.find_sd(panel, night)
        self.level = self.find_level(sd)
        self.worst = max(self.worst, self.level)
        self.recovery = step_recovery(self.recovery, self.level, sd, excess)
        self.run = [*self.run, excess] if self.recovery else []
        self.excess.append(excess)
        recent = self.excess[self.first_nights :][-RECENT:]
        mean = math.fsum(recent) / len(recent)
        self.is_improved = len(recent) >= LEAST_RECENT and mean <= self.worst / 2
        self.is_over = self.recovery >= RECOVERED and self.is_undone()

    def is_undone(self) -> bool:
        """Whether little of the fall is left on the nights that speak for a recovery."""
        return math.fsum(self.run) / len(self.run) <= LEFT * self.level


def open_fall(key: Key, panel: Panel, fit: Fit, start: int, night: int) -> Fall:
    """Opens a fall of a series.

    Args:
        key: of the series.
        panel: of the series alone.
        fit: the baseline before it.
        start: the position of the first night of the fall.
        night: the position of tonight.
    """
    fall = Fall(key, start, night, fit)
    values = (fall.measure_excess(panel, t) for t in range(start, night + 1))
    fall.excess = [excess for excess in values if excess is not None]
    fall.first_nights = len(fall.excess)
    fall.level = fall.worst = fall.find_level(fall.find_sd(panel, night))
    return fall


def freeze_baseline(panel: Panel, usable: Bools, start: int) -> Fit:
    """Fits the nights before a fall, without the last of them where there are enough."""
    kept = usable[None, :] & np.isfinite(panel.y)
    early = max(0, start - GAP)
    end = early if kept[:, :early].sum() >= FULL else start
    first = max(0, end - LONGEST)
    span = slice(first, end)
    past = Panel(panel.y[:, span], panel.variance[:, span], panel.weekdays[span])
    return fit_baseline(past, kept[:, span])


def step_recovery(recovery: float, level: float, sd: float, excess: float) -> float:
    """Adds a night to the evidence that an excess of `level` is gone (Page 1954)."""
    step = level * (level - 2 * excess) / (2 * sd * sd)
    return min(RECOVERED, max(0.0, recovery + step))
