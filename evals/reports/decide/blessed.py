"""A night against the baseline that a person blessed: one report, named once, that does not move.

Nights are compared with it one by one, so one comparison is one of ninety, and how much nights
differ counts on both sides. The trailing baseline is in `measurements`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple, Protocol

from evals.specs import Gate
from evals.statistics import Difference, Proportion, compare_rates, mde, normal_quantile

RateKey = tuple[str, str, str, str]
"""Dimension, evaluator, evaluator version and slice."""
NIGHTS = 90
"""Nights within which chance alone may once look like a drop, as often as `alpha`."""
NIGHT_SD = 0.06
"""How much nights without a change differ, on the scale of 2 arcsin of the root of the rate."""


class StoredRate(Protocol):
    """A row of a stored report."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Dimension, evaluator and evaluator version."""
        ...

    @property
    def slice(self) -> str:
        """`all` is the whole."""
        ...

    @property
    def scored(self) -> int:
        """Rows with a verdict."""
        ...

    @property
    def compared_rate(self) -> ShownRate:
        """The rate that comparisons use."""
        ...


class ShownRate(Protocol):
    """A rate with its 95% interval."""

    @property
    def rate(self) -> float | None:
        """The share that passed."""
        ...

    @property
    def low(self) -> float | None:
        """The lower end."""
        ...

    @property
    def high(self) -> float | None:
        """The upper end."""
        ...


class Blessed(NamedTuple):
    """The report that an application's nights are compared with."""

    night: date
    version: str
    by: str
    reason: str
    first: date
    """The first night that is compared with it."""
    rates: Mapping[RateKey, Proportion]


class BlessedRate(NamedTuple):
    """A rate of the blessed report, and tonight's change against it."""

    night: date
    rate: Proportion
    difference: Difference

    def finds(self, tonight: Proportion, gate: Gate) -> bool:
        """Whether both nights are large enough to find a drop of `max_drop` (power .8)."""
        rate = (self.rate.passed + tonight.passed + 1) / (self.rate.n + tonight.n + 2)
        before, after = (allow_for_nights(one).size for one in (self.rate, tonight))
        return mde(rate, before, after, gate.alpha) <= gate.max_drop


def read_rates(rows: Iterable[StoredRate]) -> dict[RateKey, Proportion]:
    """Returns the rates of a stored report, each with the size that its interval shows."""
    rates: dict[RateKey, Proportion] = {}
    for row in rows:
        shown = row.compared_rate
        if shown.rate is not None and shown.low is not None and shown.high is not None:
            size = find_size(shown.rate, shown.high - shown.low)
            passed = shown.rate * row.scored
            rates[(*row.identity, row.slice)] = Proportion(passed, row.scored, size)
    return rates


def find_size(rate: float, width: float) -> float:
    """Finds the sample size whose Wilson interval (95%) has a width.

    With k = z² / n the width is 2 √(k p (1 − p) + k² / 4) / (1 + k), a quadratic equation in k.
    """
    half, z = min(width, 0.9999) / 2, normal_quantile(0.05)
    a, b, c = half**2 - 0.25, 2 * half**2 - rate * (1 - rate), half**2
    k = (-b - math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    return max(1.0, z * z / k) if k > 0 else 1.0


def compare_with_blessed(
    blessed: Blessed | None, key: RateKey, rate: Proportion, alpha: float
) -> BlessedRate | None:
    """Compares tonight's rate with the blessed one; None without one of the same evaluator."""
    before = blessed.rates.get(key) if blessed else None
    if blessed is None or before is None or not before.n or not rate.n:
        return None
    difference = compare_rates(allow_for_nights(before), allow_for_nights(rate), alpha)
    return BlessedRate(blessed.night, before, difference)


def allow_for_nights(rate: Proportion) -> Proportion:
    """Returns a rate with a size that also allows for how much nights differ."""
    return replace(rate, effective=1 / (1 / rate.size + NIGHT_SD**2))
