"""What a night's intervals cover in simulated samples, through the product's own functions.

Figures that a page of the docs quotes; alarms are in `promises`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from evals.reports.decide.rates import count_row, pool_rates, weigh_row
from evals.reports.decide.rows import Rate
from evals.statistics import Proportion
from evals.worklist.sampling import compute_reached

ROWS = 10
"""Of a session."""
CORRELATION = 0.3
"""Within a session."""
FREE, FREE_RATE, PAID_RATE = 0.4, 1.0, 0.6
"""Share of answers that were paid before, their rate of passes and that of the others."""
TRUE = FREE * FREE_RATE + (1 - FREE) * PAID_RATE


class Stopped(NamedTuple):
    """What a night shows whose budget ended."""

    rate: float
    """The mean of the rates shown."""
    coverage: float
    """The share of intervals that contain the true one."""


def make_rate(passed: int, failed: int, **columns: float) -> Rate:
    """Makes a row of rates."""
    counts = (passed + failed, passed, failed, 0, 0)
    return Rate("d", "e", "v", "judge", "all", *counts)._replace(**columns)


def measure_coverage(rates: Iterable[Proportion], true: float) -> float:
    """Returns the share of intervals that contain the true rate."""
    covered = [low <= true <= high for low, high in (rate.interval() for rate in rates)]
    return sum(covered) / len(covered)


def cover_sessions(rate: float, sessions: int, seed: int, nights: int) -> float:
    """Measures the coverage for sessions whose rows agree."""
    rng, spread = np.random.default_rng(seed), (1 - CORRELATION) / CORRELATION
    own = rng.beta(rate * spread, (1 - rate) * spread, (nights, sessions))
    passed, n = rng.binomial(ROWS, own), ROWS * sessions
    rows = [
        make_rate(
            int(night.sum()),
            n - int(night.sum()),
            sessions=sessions,
            session_ss=float(((night - night.mean()) ** 2).sum()),
            session_squares=sessions * ROWS**2,
        )
        for night in passed
    ]
    return measure_coverage(map(count_row, rows), rate)


def cover_nights(traces: int, spread: float, seed: int, weeks: int) -> float:
    """Measures the coverage of seven pooled nights that vary by `spread` about a rate of .88."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.arcsin(np.sqrt(0.12)) + spread * rng.standard_normal((weeks, 7))
    failed = rng.binomial(traces, np.sin(angle / 2) ** 2)
    true = 1 - float((1 - np.cos(2 * np.arcsin(np.sqrt(0.12))) * np.exp(-(spread**2) / 2)) / 2)
    pooled = (pool_rates([make_rate(traces - int(k), int(k)) for k in week]) for week in failed)
    return measure_coverage(pooled, true)


def stop_budget(traces: int, asked: float, seed: int, nights: int) -> Stopped:
    """Stops nights at a share of the answers that have to be paid for; the others were free."""
    rng = np.random.default_rng(seed)
    free = round(FREE * traces)
    own = {str(i): 1 for i in range(traces - free)}
    paid = round(asked * len(own))
    reached = compute_reached(own, list(own)[:paid])
    weight = 1 / reached["0"]
    rates = list[Proportion]()
    for _ in range(nights):
        passed = rng.binomial(paid, PAID_RATE)
        n, total = free + paid, free + paid * weight
        share = (free * FREE_RATE + passed * weight) / total
        squares = free * (1 - share) ** 2 + weight**2 * (
            passed * (1 - share) ** 2 + (paid - passed) * share**2
        )
        row = make_rate(
            free + int(passed),
            paid - int(passed),
            weighted_rate=share,
            weighted_variance=squares / total**2 * n / (n - 1),
            scored_weight=total,
            scored_weight_squares=free + paid * weight**2,
            sessions=n,
        )
        rates.append(weigh_row(row))
    return Stopped(sum(r.rate for r in rates) / nights, measure_coverage(rates, TRUE))
