"""A night's rates beside their baseline and their labels: all that a verdict depends on.

Decides nothing itself: verdicts and their words are in `results`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    critical,
    difference,
    effective_n,
    post_stratified,
    rogan_gladen,
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


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of tonight's rates with everything its verdict depends on."""

    row: Row
    now: Proportion
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
    now, before = proportion([row]), proportion(history)
    dates = tuple(sorted(day(r) for r in history if scored([r])))
    aligned = alignment(row, labels)
    value, estimator = estimated(row, weighted(row, now), labels, night.labels_random)
    dimension = night.dimensions.get(row["dimension"])
    compared = difference(before, now, night.app.gate.alpha) if before.n and now.n else None
    return Measurement(
        row=row,
        now=now,
        unsampled=unsampled,
        pending=pending,
        labels=labels,
        aligned=aligned,
        resistance=held,
        decides=may_decide(row, aligned, held, dimension, night.app.gate),
        target=dimension.target if dimension else None,
        baseline=Baseline(before, dates) if before.n else None,
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
    """Whether the rows came into the sample with different probabilities."""
    return row.get("weighted_rate") is not None and row.get("weighted_variance") is not None


def weighted(row: Row, now: Proportion) -> Proportion:
    """The rate of the whole night from an unequal sample: each row stands for 1 / inclusion."""
    if not now.n or not weighs(row):
        return now
    rate, variance = float(row["weighted_rate"]), float(row["weighted_variance"])
    size = rate * (1 - rate) / variance if variance > 0 else now.size
    return Proportion(rate * now.n, now.n, max(1.0, min(size, now.size)))


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


def pool(nights: Iterable[Row]) -> list[Result]:
    """Counts summed over nights, with the rate and interval of the sum.

    Args:
        nights: report bodies of one application, or rows of `rpt_rates`; refused nights add none.

    Returns:
        One row per dimension, evaluator and slice, with its nights and evaluator versions.

    Raises:
        ValueError: a night is there twice, or there are several applications.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    seen: set[tuple[date, Identity, str]] = set()
    apps: set[str] = set()
    for row in flat(nights):
        apps.add(row["app"])
        key = (day(row), identity(row), row["slice"])
        if key in seen or len(apps) > 1:
            raise ValueError(
                f"{row['app']} {key[0]}: pass one version of each night of one application"
            )
        seen.add(key)
        groups.setdefault((row["dimension"], row["evaluator"], row["slice"]), []).append(row)
    return [pooled(rows) for _, rows in sorted(groups.items())]


def flat(nights: Iterable[Row]) -> Iterable[Row]:
    """The rows of bodies, each with its night; rows of rates as they are."""
    for night in nights:
        if "results" not in night:
            yield night
        for row in night.get("results", ()):
            yield {**row, "date": night["date"], "app": night["app"]}


def pooled(rows: Sequence[Row]) -> Result:
    """Several nights of one dimension, evaluator and slice as one row."""
    now = proportion(rows)
    if any("session_ss" not in row for row in rows):
        now = Proportion(now.passed, now.n, math.fsum(reported_size(row) for row in rows))
    low, high = now.interval() if now.n else (None, None)
    left = [row.get("unsampled", 0) for row in rows]
    unsampled = None if None in left else sum(left)
    counts = {name: sum(int(row[name]) for row in rows) for name in COUNTS}
    due = counts["n"] + (unsampled or 0) + sum(row.get("pending", 0) for row in rows)
    dates = sorted({day(row) for row in rows})
    return {
        **{key: rows[0][key] for key in ("dimension", "evaluator", "kind", "slice")},
        "evaluator_versions": sorted({row["evaluator_version"] for row in rows}),
        "nights": len(dates),
        "from": dates[0].isoformat(),
        "to": dates[-1].isoformat(),
        **counts,
        "unsampled": unsampled,
        "rate": now.rate if now.n else None,
        "low": tidy(low),
        "high": tidy(high),
        "coverage": now.n / due if due and unsampled is not None else None,
    }


def reported_size(row: Row) -> float:
    """The effective sample size behind a reported interval: Wilson's bound, solved for n."""
    n = scored([row])
    if not n:
        return 0.0
    rate = int(row["passed"]) / n
    bound = row["low"] if rate > 0 else row["high"]
    size = critical() ** 2 * bound * (1 - bound) / (rate - bound) ** 2
    return float(n) if abs(size - n) < 1e-3 * n else size
