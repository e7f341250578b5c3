"""Series whose evaluator changed: the nights before as the new version would have judged them.

Until the new version has a baseline of its own, its nights are compared with those, by one test of
their mean: what the anchors are unsure of is the same on all nights, and no window makes it small.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from evals.reports.decide.falls import Key, freeze_baseline
from evals.statistics import Bridge
from evals.statistics.series import (
    FULL,
    Bools,
    Fit,
    Floats,
    Panel,
    convert_t,
    invert_transform,
    transform_rate,
)

THRESHOLD = 2.5
"""From which the nights since the change open an incident; by chance 1 to 2% of changes do."""
LARGE = 1e9
"""Degrees of freedom of a spread that is assumed."""


class Weighed(NamedTuple):
    """The nights since a change against the baseline that was carried over."""

    score: float
    pages: bool


class Carried(NamedTuple):
    """A series whose evaluator changed."""

    since: int
    """The position of the first night of the new version."""
    fit: Fit
    """The nights before, as the new version would have judged them."""
    error: float
    """The variance of that on the scale, from the anchors."""

    def is_over(self, usable: Bools, night: int) -> bool:
        """Whether the new version has a baseline of its own."""
        return night - self.since >= FULL or int(usable[self.since : night].sum()) >= FULL

    def weigh(self, panel: Panel, night: int, lag: float) -> Weighed:
        """Weighs the mean of the nights since the change.

        Args:
            panel: of the series alone.
            night: the position of tonight.
            lag: the correlation of successive nights.
        """
        nights = [t for t in range(self.since, night + 1) if np.isfinite(panel.y[0, t])]
        days = [int(panel.weekdays[t]) for t in nights]
        excess = [float(panel.y[0, t] - self.fit.expect(day)[0])
                  for t, day in zip(nights, days, strict=True)]  # fmt: skip
        count, spread = len(nights), float(self.fit.spread[0])
        own = math.fsum(spread + float(panel.variance[0, t]) for t in nights) / count**2
        base = math.fsum(float(self.fit.leverage[0, day]) for day in days) / count
        common = base * (spread + float(self.fit.sampling[0]))
        t = math.fsum(excess) / count / math.sqrt(own * (1 + lag) / (1 - lag) + common)
        freedom = float(self.fit.freedom[0]) if self.fit.is_full[0] else LARGE
        score = float(convert_t(np.array(t), np.array(freedom)))
        return Weighed(score, score >= THRESHOLD)


class CarriedSeries:
    """The nights of an application's series, carried over at each change of an evaluator."""

    def __init__(self, panel: Panel) -> None:
        self.y: Floats = panel.y.copy()
        self.variance: Floats = panel.variance.copy()
        self.weekdays = panel.weekdays
        self.error: Floats = np.zeros(len(panel.y))
        """The variance of the anchors on the scale, the same on all nights of a series."""
        self.usable: Bools = np.zeros(panel.y.shape, dtype=bool)
        """The nights that may be in a carried baseline."""
        self.by_key: dict[Key, Carried] = {}

    def drop(self, i: int, key: Key) -> None:
        """Ends what was carried over of a series."""
        self.by_key.pop(key, None)
        self.usable[i] = False

    def carry(self, i: int, key: Key, bridge: Bridge, usable: Bools, night: int) -> bool:
        """Carries the nights of a series before one over to the evaluator's new version.

        Returns:
            Whether it has such nights.
        """
        kept = self.usable[i] | usable
        kept[night:] = False
        self.usable[i] = kept
        own = np.flatnonzero(np.isfinite(self.y[i, :night]))
        passed = 1 - invert_transform(self.y[i, own])
        rates = bridge.carry(0.0) + bridge.slope * passed
        old, new = passed * (1 - passed), np.maximum(rates * (1 - rates), 1e-4)
        size = 1 / self.variance[i, own]
        self.variance[i, own] *= np.minimum(bridge.slope**2 * old / new, 1.0)
        self.y[i, own] = transform_rate((1 - rates) * size, size)
        if len(own):
            at = int(np.abs(passed - passed.mean()).argmin())
            share = float(passed.mean())
            stretch = bridge.slope**2 * float(old[at] / new[at])
            error = bridge.measure_error(share) / float(new[at])
            self.error[i] = self.error[i] * min(stretch, 1.0) + error
        fit = self.fit_before(i, night)
        if not fit.nights[0]:
            self.drop(i, key)
            return False
        self.by_key[key] = Carried(night, fit, float(self.error[i]))
        return True

    def fit_before(self, i: int, start: int) -> Fit:
        """Fits the nights of a series before one, as its present evaluator would have them."""
        panel = Panel(self.y[i : i + 1], self.variance[i : i + 1], self.weekdays)
        usable = self.usable[i].copy()
        usable[start:] = False
        fit = freeze_baseline(panel, usable, start)
        whole = np.maximum(fit.spread + fit.sampling, 1e-12)
        return fit._replace(leverage=fit.leverage + (self.error[i] / whole)[..., None])
