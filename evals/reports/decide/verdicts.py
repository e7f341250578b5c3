"""What each measurement decides, and why, in words.

How a row of the report shows it is `sections.results`'; the night's own verdict is `conclusion`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from evals.evaluators.registry import is_recorded
from evals.reports.decide.measurements import Measurement, is_adjudicated
from evals.reports.decide.resistance import why_vulnerable
from evals.reports.phrases import points, whole_percent
from evals.specs import Gate
from evals.statistics import Difference, Estimate, Proportion, holm, mde, needed_n

Word = Literal["held", "slipped", "too close to call", "not measured"]
"""The four verdicts."""

ERRORED = 0.2
"""Above this share of errored rows an evaluator shows nothing of the application."""
NO_BASELINE = "no baseline yet"


class Verdict(NamedTuple):
    """One of four words, and why."""

    word: Word
    reason: str


def decide(night: Sequence[Measurement], gate: Gate) -> list[Verdict]:
    """The verdict of each measurement; p values are adjusted for the rows that decide (Holm)."""
    family = holm([m.difference.p for m in night if m.decides and m.difference])
    adjusted = iter(family)
    verdicts = list[Verdict]()
    for m in night:
        raw = m.difference.p if m.difference else 1.0
        p = next(adjusted) if m.decides and m.difference else raw
        verdicts.append(verdict(m, gate, p))
    return verdicts


def verdict(m: Measurement, gate: Gate, p: float) -> Verdict:
    """The verdict of a row and its reason in words; `p` is adjusted for the night's family.

    Held: risen; or the interval rules out a drop of `max_drop`; or the night was large enough to
    find such a drop (power .8) and less than half of it was seen.
    """
    reason = next((text for rule in NOT_MEASURED if (text := rule(m))), None)
    if reason:
        return Verdict("not measured", reason)
    if m.difference is None or m.baseline is None:
        return compare_with_target(m)
    d = m.difference
    text = describe_change(m.baseline.pooled.rate, m.rate.rate, d, weighted=is_weighted(m))
    if p < gate.alpha and d.change > 0:
        return Verdict("held", text)
    if d.low >= -gate.max_drop:
        return Verdict("held", text)
    if p < gate.alpha and d.high < 0:
        return Verdict("slipped", text)
    short = describe_shortfall(m, gate)
    if short is None and d.change > -gate.max_drop / 2:
        return Verdict("held", text)
    return Verdict("too close to call", short or text)


def why_slice(m: Measurement) -> str | None:
    """Slices are compared with their whole, not with other nights."""
    return "slices are compared within the night" if m.row.slice != "all" else None


def why_awaited(m: Measurement) -> str | None:
    """Part of the night's answers are still with a provider."""
    if not m.pending:
        return None
    answers = "1 answer" if m.pending == 1 else f"{m.pending:,} answers"
    return f"{answers} awaited from a batch"


def why_nothing_scored(m: Measurement) -> str | None:
    """No row has a verdict."""
    if m.counted.n:
        return None
    counts = {"errored": m.row.errored, "skipped": m.row.skipped}
    parts = [f"{n} {name}" for name, n in counts.items() if n]
    return f"nothing was scored ({', '.join(parts)})" if parts else "no trace to evaluate"


def why_recorded(m: Measurement) -> str | None:
    """A judge or rule someone else recorded."""
    if is_recorded(m.row.kind) and not is_adjudicated(m.row):
        return "recorded by someone else: not gating"
    return None


def why_unaligned(m: Measurement) -> str | None:
    """A judge or classifier that does not agree with people."""
    if m.aligned is not False:
        return None
    kind = m.row.kind
    if m.labels is None or not m.labels.n:
        return f"no labels for this {kind} yet"
    tpr, tnr = (
        f"{name} {'unknown' if rate is None else whole_percent(rate)}"
        for name, rate in (("TPR", m.labels.tpr), ("TNR", m.labels.tnr))
    )
    return f"the {kind} is not aligned with human labels yet: {tpr}, {tnr} on {m.labels.n} labels"


def why_attacked(m: Measurement) -> str | None:
    """A judge that is vulnerable to attacks."""
    return why_vulnerable(m.resistance, m.row.kind)


def why_outage(m: Measurement) -> str | None:
    """Too many errors to know what the missing verdicts would have been."""
    n, errored = m.row.n, m.row.errored
    return (
        f"{errored} of {n} errored ({whole_percent(errored / n)})"
        if has_outage(n, errored)
        else None
    )


def why_evaluator_changed(m: Measurement) -> str | None:
    """Rates of two versions of an evaluator are not comparable."""
    return "the evaluator changed" if m.evaluator_changed else None


NOT_MEASURED: tuple[Callable[[Measurement], str | None], ...] = (
    why_slice,
    why_awaited,
    why_nothing_scored,
    why_recorded,
    why_unaligned,
    why_attacked,
    why_outage,
    why_evaluator_changed,
)
"""Why a row is not measured: the first reason that holds."""


def has_outage(n: int, errored: int) -> bool:
    """Whether an outage left too little of an evaluator's rows."""
    return n > 0 and errored / n > ERRORED


def compare_with_target(m: Measurement) -> Verdict:
    """Without a baseline, the target is all there is to compare with."""
    if m.target is None:
        return Verdict("not measured", NO_BASELINE)
    value, low, high = m.estimate or Estimate(m.rate.rate, *m.rate.interval())
    of = f"its target of {whole_percent(m.target)}"
    if high < m.target:
        return Verdict("slipped", f"{whole_percent(value)} is below {of}")
    if low >= m.target:
        return Verdict("held", f"{whole_percent(value)} is above {of}")
    shown = f"{whole_percent(value)} [{whole_percent(low)}, {whole_percent(high)}]"
    return Verdict("too close to call", f"{shown} against {of}")


def is_weighted(m: Measurement) -> bool:
    """Whether a side of the comparison is weighted."""
    return m.weighted is not None or bool(m.baseline and m.baseline.is_weighted)


def describe_change(before: float, after: float, d: Difference, *, weighted: bool = False) -> str:
    """A change in words, such as `91% → 74% (−17 ± 6)`."""
    by = points(d.change, d.low, d.high) + (", weighted" if weighted else "")
    return f"{whole_percent(before)} → {whole_percent(after)} ({by})"


def smooth_rate(*sides: Proportion) -> float:
    """A pooled rate kept off 0 and 1, for planning sizes."""
    return (sum(s.passed for s in sides) + 1) / (sum(s.n for s in sides) + 2)


def describe_shortfall(m: Measurement, gate: Gate) -> str | None:
    """How many rows it would have taken, or None when there were enough."""
    if m.baseline is None:
        return None
    before = m.baseline.pooled
    needs = needed_n(smooth_rate(before, m.rate), gate.max_drop, before.size, gate.alpha)
    needs = math.ceil(needs * m.counted.n / m.rate.size)
    if needs <= m.counted.n:
        return None
    return f"{m.counted.n:,} answer{'s' * (m.counted.n != 1)}; {needs:,} would decide"


def smallest_detectable(m: Measurement, gate: Gate) -> float | None:
    """The smallest difference tonight could find: against the baseline, else a night like it."""
    if not m.counted.n:
        return None
    before = m.baseline.pooled if m.baseline else m.rate
    return mde(smooth_rate(before, m.rate), before.size, m.rate.size, gate.alpha)
