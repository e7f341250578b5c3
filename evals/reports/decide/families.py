"""The tests of a night that may decide it, adjusted for how many there are.

What a test decides is in `verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.reports.decide.blessed import NIGHTS
from evals.reports.decide.labelling import bound_rate
from evals.reports.decide.measurements import Measurement
from evals.statistics import Estimate, benjamini_hochberg, holm, normal_quantile


class Chances(NamedTuple):
    """How often chance alone would give what was seen, adjusted for the rows that decide."""

    change: float
    """Against the nights before, two-sided (Holm, with the blessed ones)."""
    target: float
    """Below the target, one-sided (Benjamini-Hochberg over the targets)."""
    blessed: float
    """Against the blessed baseline, in ninety nights (Holm)."""


def adjust_chances(night: Sequence[Measurement], has_series: Sequence[bool] = ()) -> list[Chances]:
    """Adjusts the tests of rows that decide; those of other rows are as they are.

    Args:
        night: tonight's measurements.
        has_series: whether the nights before remember each of them; nothing: none.
    """
    remembered = (*has_series, *[False] * (len(night) - len(has_series)))
    raw = [
        Chances(*compute_chances(m, is_remembered=one))
        for m, one in zip(night, remembered, strict=True)
    ]
    changes = [(i, kind) for i, m in enumerate(night) if m.decides for kind in list_kinds(m)]
    by_test = dict(zip(changes, holm([getattr(raw[i], kind) for i, kind in changes]), strict=True))
    aimed = [i for i, m in enumerate(night) if m.decides and m.is_aimed]
    targets = dict(zip(aimed, benjamini_hochberg([raw[i].target for i in aimed]), strict=True))
    return [
        Chances(
            by_test.get((i, "change"), one.change),
            targets.get(i, one.target),
            by_test.get((i, "blessed"), one.blessed),
        )
        for i, one in enumerate(raw)
    ]


def list_kinds(m: Measurement) -> Iterator[str]:
    """Lists the comparisons that a measurement has."""
    if m.difference:
        yield "change"
    if m.blessed:
        yield "blessed"


def compute_chances(m: Measurement, *, is_remembered: bool) -> Iterator[float]:
    """Computes the tests of a measurement; one that it has not is 1.

    A slice without a series, such as one of people's verdicts, is tested anew every night.
    """
    again = NIGHTS if m.row.slice != "all" and not is_remembered else 1
    yield min(1.0, again * m.difference.p) if m.difference else 1.0
    yield compute_target_chance(m)
    yield min(1.0, NIGHTS * m.blessed.difference.p) if m.blessed else 1.0


def compute_target_chance(m: Measurement) -> float:
    """Computes how often a rate at its target would look as low, from the interval's upper half."""
    if m.target is None or not m.is_aimed:
        return 1.0
    shown = bound_value(m)
    half = shown.high - shown.value
    if half <= 0:
        return 0.0 if shown.high < m.target else 1.0
    z = (m.target - shown.value) / half * normal_quantile(0.05)
    return math.erfc(z / math.sqrt(2)) / 2


def bound_value(m: Measurement) -> Estimate:
    """Returns the rate with its interval, made wider for answers without a label."""
    estimate = m.estimate or Estimate(m.rate.rate, *m.rate.interval())
    if m.labelling and (possible := bound_rate(m.rate, m.labelling.unlabelled)):
        return Estimate(estimate.value, *possible)
    return estimate
