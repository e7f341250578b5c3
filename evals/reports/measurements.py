"""A night's rates beside their baseline and their labels: all that a verdict depends on.

Decides nothing itself: verdicts and their words are in `results`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from evals.reports.attacks import Resistance, by_judge
from evals.reports.causes import Row
from evals.specs import App, Attacks, Dimension, Evaluator, Gate
from evals.statistics import (
    Agreement,
    Difference,
    Estimate,
    Proportion,
    Weights,
    difference,
    effective_n,
    post_stratified,
    rogan_gladen,
    together,
    weighted,
)

COUNTS = ("n", "passed", "failed", "errored", "skipped")
NEEDS_ALIGNMENT = frozenset({"judge", "classifier"})

Result = dict[str, Any]
Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Night:
    """What a report is built from: rows of the marts, and the specs that explain them."""

    date: date
    app: App
    suite: str | None
    rates: Sequence[Row]
    """`rpt_rates` of this night."""
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    """In the suite's order, which is the report's."""
    evaluators: Sequence[Evaluator] = ()
    history: Sequence[Row] = ()
    """`rpt_rates`, slice `all`, of the earlier nights in the baseline window."""
    versions: Mapping[date, str] = field(default_factory=dict)
    """The report version of each of those nights."""
    provenance: Sequence[Row] = ()
    history_provenance: Sequence[Row] = ()
    cause_rates: Sequence[Row] = ()
    """`rpt_cause_rates` of this night and of the baseline's."""
    agreement: Sequence[Row] = ()
    """`fct_agreement`: every row counts, whatever its night."""
    labels_random: bool = False
    """Whether the labels are a random sample of this night: then estimates are post-stratified."""
    canaries: Sequence[Row] = ()
    """Judges' verdicts on failed answers with and without an attack."""
    attacks: Attacks = Attacks()  # noqa: RUF009  frozen
    noise: Sequence[Row] = ()
    """Judges that are asked repeatedly: their further verdicts beside the first, counted."""
    answered: Sequence[Row] = ()
    """Which models answered: evaluator, model, fingerprint, n."""
    answered_before: Sequence[Row] = ()
    """The same of the latest earlier report."""
    failures: Sequence[Row] = ()
    coverage: Sequence[Row] = ()
    """dimension, evaluator, evaluator_version, covered, sampled."""
    accounting: Mapping[str, Any] = field(default_factory=dict)
    examples: Sequence[Row] = ()
    """Answers to read, in the order a person should read them."""
    cost: Mapping[str, Any] = field(default_factory=dict)
    demo: bool = False


class Baseline(NamedTuple):
    """The earlier nights a rate is compared with."""

    pooled: Proportion
    dates: tuple[date, ...]
    weighs: bool
    """Whether some night's rows stand for different numbers of traces."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of tonight's rates with everything its verdict depends on."""

    row: Row
    now: Proportion
    """As it was counted."""
    weighted: Proportion | None
    """What it says of all traces, where rows came in unequally; None where `now` says it."""
    unsampled: int | None
    pending: int
    """Traces whose answers come with a batch: they have no row yet."""
    labels: Agreement | None
    aligned: bool | None
    resistance: Resistance | None
    """How it held against attacks; None where it is no judge."""
    decides: bool
    target: float | None
    baseline: Baseline | None
    changed: bool
    """Whether only other versions of this evaluator were reported before."""
    compared: Difference | None
    estimate: Estimate | None
    estimator: str

    @property
    def shown(self) -> Proportion:
        """The side of tonight in every comparison."""
        return self.weighted or self.now


def measurements(night: Night) -> Iterable[Measurement]:
    """Tonight's rates, and a row of zeros for each evaluator that met no trace."""
    labels, held = agreements(night.agreement), resistances(night)
    left: dict[Identity, int] = {}
    out: dict[Identity, int] = {}
    for row in night.coverage:
        missing = max(0, int(row["covered"]) - int(row["sampled"]))
        left[identity(row)] = left.get(identity(row), 0) + missing
        out[identity(row)] = out.get(identity(row), 0) + int(row.get("pending") or 0)
    earlier: dict[Identity, list[Row]] = {}
    for row in night.history:
        if row["slice"] == "all" and day(row) < night.date:
            earlier.setdefault(identity(row), []).append(row)
    seen = {key[:2] for key, rows in earlier.items() if scored(rows)}
    for row in [*night.rates, *unmet(night)]:
        key, whole = identity(row), row["slice"] == "all"
        history = earlier.get(key, []) if whole else []
        yield measurement(
            night,
            row,
            labels.get(key),
            held.get(key),
            unsampled=left.get(key, 0) if whole or not left.get(key) else None,
            pending=out.get(key, 0) if whole else 0,
            history=history,
            changed=whole and key[:2] in seen and not scored(history),
        )


def measurement(
    night: Night,
    row: Row,
    labels: Agreement | None,
    held: Resistance | None,
    *,
    unsampled: int | None,
    pending: int,
    history: Sequence[Row],
    changed: bool,
) -> Measurement:
    """One row of rates beside its baseline."""
    now, shown, before = proportion([row]), represented([row]), represented(history)
    dates = tuple(sorted(day(r) for r in history if scored([r])))
    aligned = alignment(row, labels)
    value, estimator = estimated(row, shown, labels, night.labels_random)
    dimension = night.dimensions.get(row["dimension"])
    compared = difference(before, shown, night.app.gate.alpha) if before.n and now.n else None
    unequal = any(weighs(past) for past in history)
    return Measurement(
        row=row,
        now=now,
        weighted=shown if weighs(row) else None,
        unsampled=unsampled,
        pending=pending,
        labels=labels,
        aligned=aligned,
        resistance=held,
        decides=may_decide(row, aligned, held, dimension, night.app.gate),
        target=dimension.target if dimension else None,
        baseline=Baseline(before, dates, unequal) if before.n else None,
        changed=changed,
        compared=compared,
        estimate=value,
        estimator=estimator,
    )


def unmet(night: Night) -> Iterable[Row]:
    """Rows of zeros: a planned evaluator that met no trace is shown, not left out."""
    met = {(row["dimension"], row["evaluator"]) for row in night.rates}
    for evaluator in night.evaluators:
        if (evaluator.dimension, evaluator.name) not in met and evaluator.kind != "recorded":
            yield {
                "dimension": evaluator.dimension,
                "evaluator": evaluator.name,
                "evaluator_version": evaluator.version,
                "kind": evaluator.kind,
                "slice": "all",
                **dict.fromkeys(COUNTS, 0),
            }


def identity(row: Row) -> Identity:
    """Dimension, evaluator and evaluator version."""
    return (row["dimension"], row["evaluator"], row["evaluator_version"])


def day(row: Row) -> date:
    """A row's night, whether the mart gave a date or its ISO form."""
    value = row["date"]
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def scored(rows: Iterable[Row]) -> int:
    """Rows that have a verdict."""
    return sum(int(row["passed"]) + int(row["failed"]) for row in rows)


def proportion(rows: Sequence[Row]) -> Proportion:
    """Nights pooled; each night's conversations vary about that night's own rate."""
    passed, n = sum(int(row["passed"]) for row in rows), scored(rows)
    counted = [row for row in rows if scored([row])]
    if any(row.get("sessions") is None or row.get("session_ss") is None for row in counted):
        return Proportion(passed, n)
    clusters = sum(int(row["sessions"]) for row in counted)
    square = math.fsum(float(row["session_ss"]) for row in counted)
    return Proportion(passed, n, effective_n(passed, n, clusters, square))


def agreements(rows: Iterable[Row]) -> dict[Identity, Agreement]:
    """The 2 x 2 tables against human labels, pooled over nights."""
    sums: dict[Identity, list[int]] = {}
    for row in rows:
        cells = sums.setdefault(identity(row), [0, 0, 0, 0])
        for i, cell in enumerate(("tp", "fn", "fp", "tn")):
            cells[i] += int(row[cell])
    return {key: Agreement(*cells) for key, cells in sums.items()}


def resistances(night: Night) -> dict[Identity, Resistance]:
    """How each judge of the night held against attacks."""
    limit, each = night.attacks.max_success, night.attacks.each
    return by_judge(night.canaries, night.evaluators, limit, each)


def adjudicated(row: Row) -> bool:
    """Whether the row holds what people settled on: their word decides."""
    return row["kind"] == "recorded" and row["evaluator"].endswith((".adjudicated", ".human"))


def alignment(row: Row, labels: Agreement | None) -> bool | None:
    """Whether the evaluator agrees with people; None where it needs not to."""
    if row["kind"] in NEEDS_ALIGNMENT or (row["kind"] == "recorded" and not adjudicated(row)):
        return bool(labels and labels.usable)
    return None


def may_decide(
    row: Row,
    aligned: bool | None,
    held: Resistance | None,
    dimension: Dimension | None,
    gate: Gate,
) -> bool:
    """Whether a row speaks for the night: whole, gated, aligned and not talked round."""
    if row["slice"] != "all" or aligned is False or (held and held.refused):
        return False
    if row["kind"] == "recorded" and not adjudicated(row):
        return False
    named = not gate.dimensions or row["dimension"] in gate.dimensions
    return named and (dimension is None or dimension.gate)


def weighs(row: Row) -> bool:
    """Whether a row's traces came into the sample with different probabilities."""
    return row.get("weighted_rate") is not None and scored([row]) > 0


def represented(rows: Sequence[Row]) -> Proportion:
    """What rows say of all traces: as counted, unless those of a night came in unequally."""
    if not any(weighs(row) for row in rows):
        return proportion(rows)
    found = [standing(row) if weighs(row) else proportion([row]) for row in rows]
    return found[0] if len(found) == 1 else together(found)


def standing(row: Row) -> Proportion:
    """One row's rate with the traces its rows stand for, whether they came in unequally or not."""
    total, squares = row.get("scored_weight"), row.get("scored_weight_squares")
    weights = Weights(float(total), float(squares)) if total and squares else None
    if not weighs(row):
        return replace(proportion([row]), weights=weights)
    variance = row.get("weighted_variance")
    return weighted(
        float(row["weighted_rate"]),
        None if variance is None else float(variance),
        scored([row]),
        row.get("sessions"),
        weights,
    )


def estimated(
    row: Row, now: Proportion, labels: Agreement | None, random: bool
) -> tuple[Estimate | None, str]:
    """The rate corrected by labels where an evaluator needs that, and how it was corrected."""
    if not now.n:
        return None, "none"
    if alignment(row, labels) is None:
        return Estimate(now.rate, *now.interval()), "weighted" if weighs(row) else "raw"
    if labels is None or row["slice"] != "all":
        return None, "none"
    value = post_stratified(now, labels) if random else rogan_gladen(now, labels)
    if value is None:
        return None, "none"
    return value, "post-stratified" if random else "rogan-gladen"


def tidy(value: float | None) -> float | None:
    """A figure without the noise of floating point: sums in any order hash alike."""
    return None if value is None else round(value, 8) + 0.0


def weighted_part(side: Proportion | None) -> Result:
    """A row's `weighted`, where its traces came into the sample unequally."""
    if side is None:
        return {}
    low, high = side.interval()
    told = {"rate": side.rate, "low": low, "high": high, "n": side.size}
    return {"weighted": {name: tidy(value) for name, value in told.items()}}
