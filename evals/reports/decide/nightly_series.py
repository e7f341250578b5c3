"""The series of an application's rates: what they are made of, and what tonight shows of each.

The evidence is in `evals.statistics.series`, the memory of it in `incidents`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from evals.evaluators.registry import is_recorded
from evals.reports.decide.carried_series import THRESHOLD
from evals.reports.decide.coverage import is_measured
from evals.reports.decide.evidence import Evidence
from evals.reports.decide.falls import ALL, ONE_SIDED, Key
from evals.reports.decide.incident_records import (
    Decision,
    History,
    KnownName,
    Replayed,
    SeriesNight,
)
from evals.reports.decide.judge_labels import pool_labels
from evals.reports.decide.measurements import (
    build_empty_rows,
    may_decide,
    measure_night_resistances,
)
from evals.reports.decide.mixes import compute_offsets
from evals.reports.decide.rates import is_aligned, pool_rates
from evals.reports.decide.rows import Rate, StratumCount
from evals.statistics import series
from evals.statistics.series import Panel

RECENT = 7
"""Nights whose mean shows whether a rate held."""
SOON = 5
"""Nights within which a series' smallest drop is found, in half the cases."""


class SeriesState(NamedTuple):
    """What tonight shows of a series; rates are of passes."""

    nights: int
    """Of its baseline."""
    is_full: bool
    expected: float
    z: float
    """Positive: worse than expected."""
    score: float
    """Of the scan over windows of nights."""
    threshold: float
    """From which the series opens an incident."""
    change: float
    """The mean of the last nights minus what was expected."""
    low: float
    """Its lower bound (95%, one-sided)."""
    finds: float
    """The drop that is found within five nights in half the cases."""


def select_keys(evidence: Evidence) -> dict[Key, bool]:
    """Returns the series of tonight's evaluators, and whether each may decide.

    Recorded verdicts and judges that do not agree with people have none. A slice has one where it
    decides for itself.
    """
    labels, resistances = pool_labels(evidence.agreement), measure_night_resistances(evidence)
    keys: dict[Key, bool] = {}
    for row in [*evidence.rates, *build_empty_rows(evidence)]:
        aligned = is_aligned(row, labels.get(row.identity))
        if not evidence.has_series(row) or is_recorded(row.kind) or aligned is False:
            continue
        resistance = resistances.get(row.identity)
        dimension = evidence.dimensions.get(row.dimension)
        keys[row.series] = may_decide(row, aligned, resistance, dimension, evidence.app.gate)
    return keys


def build_history(
    evidence: Evidence,
    rates: Iterable[Rate],
    decisions: Sequence[Decision],
    applications: int,
    strata: Iterable[StratumCount] = (),
    names: Sequence[KnownName] = (),
) -> History:
    """Builds the history of an application up to tonight.

    Args:
        evidence: tonight's.
        rates: of all nights so far, tonight's among them.
        decisions: of people on its incidents.
        applications: how many the board has.
        strata: of all nights so far: rates are those at the mix of the first week.
        names: of incidents in stored reports.
    """
    keys = select_keys(evidence)
    before = {
        key: (*key[:2], one.before_version)
        for key, one in evidence.bridges.items()
        if one.is_enough
    }
    offsets = compute_offsets(strata, before)
    rows: dict[Key, dict[date, SeriesNight]] = {key: {} for key in keys}
    nights: set[date] = {evidence.date}
    awaited = evidence.count_pending()
    for row in rates:
        key, is_whole = row.series, row.slice == ALL
        if row.date is None or key not in rows:
            continue
        pending = awaited.get((row.date, row.identity), 0) if is_whole else 0
        if is_measured(row, pending, evidence.find_needed(row)):
            nights.add(row.date)
            offset = offsets.get((row.identity, row.date), 0.0) if is_whole else 0.0
            rows[key][row.date] = build_series_night(row, offset)
    deciding = [key for key, decides in keys.items() if decides]
    return History(
        app=evidence.app.app,
        nights=sorted(nights),
        rows=rows,
        deciding=deciding,
        board_series=max(1, len(deciding)) * max(1, applications),
        averaged={row.series for row in evidence.rates if row.slice == ALL} & {*deciding},
        decisions=decisions,
        names=names,
        max_drop=evidence.app.gate.max_drop,
        max_drops={
            row.series: gate.max_drop
            for row, gate in evidence.find_gates(evidence.rates).items()
            if row.series in keys
        },
        bridges=evidence.bridges,
    )


def build_series_night(row: Rate, offset: float = 0.0) -> SeriesNight:
    """Returns a row of rates as a night of a series, without the `offset` of its mix."""
    rate = pool_rates([row])
    sessions = row.scored if row.sessions is None else row.sessions
    failed = min(1.0, max(0.0, 1 - rate.rate + offset)) * rate.size
    return SeriesNight(failed, rate.size, sessions, row.evaluator_version)


def describe_series(replayed: Replayed) -> dict[Key, SeriesState]:
    """Returns what tonight shows of each series that has a baseline and a rate tonight."""
    found: dict[Key, SeriesState] = {}
    for i, key in enumerate(replayed.keys[:-1]):
        if (state := describe_one(replayed, i)) is not None:
            found[key] = state
    return found


def describe_one(replayed: Replayed, i: int) -> SeriesState | None:
    """Returns what tonight shows of one series; None without a baseline or a rate."""
    panel, last = replayed.panel, replayed.last
    night, key = panel.y.shape[-1] - 1, replayed.keys[i]
    fall, carried = replayed.find_fall(key), replayed.carried.get(key)
    fit, j = (last.fit, i)
    if old := fall or carried:
        fit, j = old.fit, 0
    y, weekday = float(panel.y[i, night]), int(panel.weekdays[night])
    if not math.isfinite(y) or not fit.nights[j]:
        return None
    expected = float(fit.expect(weekday)[j])
    sd = float(fit.predict_sd(weekday, np.repeat(panel.variance[i, night], len(fit.nights)))[j])
    start = fall.start if fall else max(night - RECENT + 1, carried.since if carried else 0)
    recent = list_recent(replayed, i, start, has_own_base=not carried)
    excess = [float(panel.y[i, t] - fit.expect(int(panel.weekdays[t]))[j]) for t in recent]
    mean = math.fsum(excess) / len(excess)
    lag = float(last.lag[i])
    spread = float(fit.spread[j] + panel.variance[i, night])
    inflated = spread / len(excess) * (1 + lag) / (1 - lag)
    base = float((fit.spread[j] + fit.sampling[j]) / fit.nights[j])
    base += old.error if old else 0.0
    upper = mean + ONE_SIDED * math.sqrt(inflated + base)
    score, threshold = float(last.score[i]), float(last.threshold[i])
    smallest = threshold * sd / math.sqrt(SOON) * math.sqrt((1 + lag) / (1 - lag))
    if carried and not fall:
        own = Panel(panel.y[i : i + 1], panel.variance[i : i + 1], panel.weekdays)
        score, threshold = carried.weigh(own, night, lag).score, THRESHOLD
        smallest = threshold * math.sqrt(spread / SOON * (1 + lag) / (1 - lag) + base)
    return SeriesState(
        nights=int(fit.nights[j]),
        is_full=bool(fit.is_full[j]),
        expected=1 - find_rate(expected),
        z=(y - expected) / sd,
        score=score,
        threshold=threshold,
        change=find_rate(expected) - find_rate(expected + mean),
        low=find_rate(expected) - find_rate(expected + upper),
        finds=find_rate(expected + smallest) - find_rate(expected),
    )


def list_recent(replayed: Replayed, i: int, start: int, *, has_own_base: bool = True) -> list[int]:
    """Lists the last nights of a series that are no part of its baseline."""
    night = replayed.panel.y.shape[-1] - 1
    scored = np.isfinite(replayed.panel.y[i])
    if not has_own_base:
        return [t for t in range(start, night + 1) if scored[t]]
    _, base = series.select_baseline(replayed.panel, replayed.usable, night)
    in_base = night - base.shape[-1] + np.flatnonzero(base[i])
    first = max(start, int(in_base[-1]) + 1 if len(in_base) else 0, night - RECENT + 1)
    return [t for t in range(first, night + 1) if scored[t]]


def find_rate(y: float) -> float:
    """Returns the rate of fails of a point on the scale."""
    return float(series.invert_transform(np.array(y)))
