"""The rows of a report: what each measurement decides, and why, in words.

The page's first line and the other sections of the body are `report`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from evals.reports.attacks import silences
from evals.reports.causes import Row, percent
from evals.reports.measurements import (
    COUNTS,
    Measurement,
    Night,
    Result,
    adjudicated,
    identity,
    measurements,
    tidy,
    weighted_part,
)
from evals.reports.phrases import points
from evals.specs import Gate
from evals.statistics import Difference, Estimate, Proportion, holm, mde, needed_n

ERRORED = 0.2
"""Above this share of errored rows an evaluator says nothing about the application."""
NO_BASELINE = "no baseline yet"


def results(night: Night) -> list[Result]:
    """Every row of tonight's rates, in the suite's order, the whole before its slices."""
    order = {name: i for i, name in enumerate(night.dimensions)}
    questions = {e.name: e.question for e in night.evaluators}
    questions |= {name: dimension.question for name, dimension in night.dimensions.items()}
    found = sorted(
        measurements(night),
        key=lambda m: (
            order.get(m.row["dimension"], len(order)),
            identity(m.row),
            m.row["slice"] != "all",
            m.row["slice"],
        ),
    )
    family = holm([m.compared.p for m in found if m.decides and m.compared])
    adjusted = iter(family)
    rows = []
    for m in found:
        raw = m.compared.p if m.compared else 1.0
        p = next(adjusted) if m.decides and m.compared else raw
        question = questions.get(m.row["dimension"]) or questions.get(m.row["evaluator"], "")
        rows.append(result(m, question, night.app.gate, *verdict(m, night.app.gate, p)))
    return rows


def verdict(m: Measurement, gate: Gate, p: float) -> tuple[str, str]:
    """The verdict of a row and its reason in words; `p` is adjusted for the night's family.

    Held: risen; or the interval rules out a drop of `max_drop`; or the night was large enough to
    find such a drop (power .8) and less than half of it was seen.
    """
    reason = next((text for rule in SILENT if (text := rule(m))), None)
    if reason:
        return "not measured", reason
    if m.compared is None or m.baseline is None:
        return against_target(m)
    d = m.compared
    text = moved(m.baseline.pooled.rate, m.shown.rate, d, weighted=unequal(m))
    if p < gate.alpha and d.change > 0:
        return "held", text
    if d.low >= -gate.max_drop:
        return "held", text
    if p < gate.alpha and d.high < 0:
        return "slipped", text
    short = shortfall(m, gate)
    if short is None and d.change > -gate.max_drop / 2:
        return "held", text
    return "too close to call", short or text


def slice_row(m: Measurement) -> str | None:
    """Slices are compared with their whole, not with other nights."""
    return "slices are compared within the night" if m.row["slice"] != "all" else None


def awaited(m: Measurement) -> str | None:
    """A part of the night is with a provider: the rest of it says nothing yet."""
    if not m.pending:
        return None
    answers = "1 answer" if m.pending == 1 else f"{m.pending:,} answers"
    return f"{answers} awaited from a batch"


def nothing_scored(m: Measurement) -> str | None:
    """No row has a verdict."""
    if m.now.n:
        return None
    parts = [f"{m.row[name]} {name}" for name in ("errored", "skipped") if m.row[name]]
    return f"nothing was scored ({', '.join(parts)})" if parts else "it met no trace"


def outside(m: Measurement) -> str | None:
    """A judge or rule someone else recorded."""
    if m.row["kind"] == "recorded" and not adjudicated(m.row):
        return "recorded by someone else: shown beside ours, it decides nothing"
    return None


def unaligned(m: Measurement) -> str | None:
    """A judge or classifier that does not agree with people."""
    if m.aligned is not False:
        return None
    kind = m.row["kind"]
    if m.labels is None or not m.labels.n:
        return f"the {kind} is not aligned with human labels yet: there are none"
    tpr, tnr = (
        f"{name} {'unknown' if rate is None else percent(rate)}"
        for name, rate in (("TPR", m.labels.tpr), ("TNR", m.labels.tnr))
    )
    return f"the {kind} is not aligned with human labels yet: {tpr}, {tnr} on {m.labels.n} labels"


def talked_round(m: Measurement) -> str | None:
    """A judge that passes failed answers because they say so."""
    return silences(m.resistance, m.row["kind"])


def outage(m: Measurement) -> str | None:
    """Too many errors to know what the missing verdicts would have been."""
    n, errored = int(m.row["n"]), int(m.row["errored"])
    return f"{errored} of {n} errored ({percent(errored / n)})" if broken(m.row) else None


def evaluator_changed(m: Measurement) -> str | None:
    """Rates of two versions of an evaluator are not comparable."""
    return "the evaluator changed" if m.changed else None


SILENT: tuple[Callable[[Measurement], str | None], ...] = (
    slice_row,
    awaited,
    nothing_scored,
    outside,
    unaligned,
    talked_round,
    outage,
    evaluator_changed,
)
"""Why a row says nothing, the first that holds."""


def broken(row: Row) -> bool:
    """Whether an outage left too little of the evaluator's rows."""
    return int(row["n"]) > 0 and int(row["errored"]) / int(row["n"]) > ERRORED


def against_target(m: Measurement) -> tuple[str, str]:
    """Without a baseline, the target is all there is to compare with."""
    if m.target is None:
        return "not measured", NO_BASELINE
    value, low, high = m.estimate or Estimate(m.shown.rate, *m.shown.interval())
    of = f"its target of {percent(m.target)}"
    if high < m.target:
        return "slipped", f"{percent(value)} is below {of}"
    if low >= m.target:
        return "held", f"{percent(value)} is above {of}"
    return "too close to call", f"{percent(value)} [{percent(low)}, {percent(high)}] against {of}"


def unequal(m: Measurement) -> bool:
    """Whether a side of the comparison is weighted."""
    return m.weighted is not None or bool(m.baseline and m.baseline.weighs)


def moved(before: float, after: float, d: Difference, *, weighted: bool = False) -> str:
    """A change in words, such as `91% → 74% (−17 ± 6)`."""
    by = points(d.change, d.low, d.high) + (", weighted" if weighted else "")
    return f"{percent(before)} → {percent(after)} ({by})"


def smoothed(*sides: Proportion) -> float:
    """A pooled rate kept off 0 and 1, for planning sizes."""
    return (sum(s.passed for s in sides) + 1) / (sum(s.n for s in sides) + 2)


def shortfall(m: Measurement, gate: Gate) -> str | None:
    """How many rows it would have taken, or None when there were enough."""
    if m.baseline is None:
        return None
    before = m.baseline.pooled
    needs = needed_n(smoothed(before, m.shown), gate.max_drop, before.size, gate.alpha)
    needs = math.ceil(needs * m.now.n / m.shown.size)
    return f"n {m.now.n:,}, needs {needs:,}" if needs > m.now.n else None


def detectable(m: Measurement, gate: Gate) -> float | None:
    """The smallest difference tonight could find: against the baseline, else a night like it."""
    if not m.now.n:
        return None
    before = m.baseline.pooled if m.baseline else m.shown
    return mde(smoothed(before, m.shown), before.size, m.shown.size, gate.alpha)


def result(m: Measurement, question: str, gate: Gate, word: str, reason: str) -> Result:
    """A measurement as the report shows it."""
    row, now, d, base = m.row, m.now, m.compared, m.baseline
    low, high = now.interval() if now.n else (None, None)
    due = int(row["n"]) + (m.unsampled or 0) + m.pending
    return {
        **{k: row[k] for k in ("dimension", "evaluator", "evaluator_version", "kind", "slice")},
        "question": question,
        **{name: int(row[name]) for name in COUNTS},
        "unsampled": m.unsampled,
        "pending": m.pending,
        "rate": now.rate if now.n else None,
        "low": tidy(low),
        "high": tidy(high),
        "estimate": tidy(m.estimate.value if m.estimate else None),
        "estimate_low": tidy(m.estimate.low if m.estimate else None),
        "estimate_high": tidy(m.estimate.high if m.estimate else None),
        "estimator": m.estimator,
        "coverage": now.n / due if due and m.unsampled is not None else None,
        "aligned": m.aligned,
        "decides": m.decides,
        "target": m.target,
        "mde": tidy(detectable(m, gate)),
        "verdict": word,
        "reason": reason,
        "baseline": {
            "rate": base.pooled.rate,
            "n": base.pooled.n,
            "from": base.dates[0].isoformat(),
            "to": base.dates[-1].isoformat(),
            **({"weighted": True} if base.weighs else {}),
        }
        if base
        else None,
        "change": tidy(d.change if d else None),
        "change_low": tidy(d.low if d else None),
        "change_high": tidy(d.high if d else None),
        "p": tidy(d.p if d else None),
        **weighted_part(m.weighted),
    }
