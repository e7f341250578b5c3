"""Builds the rows of a report: one per dimension, evaluator and slice, with its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from evals.reports.decide.evidence import Evidence
from evals.reports.decide.labelling import bound_rate
from evals.reports.decide.measurements import Measurement, measure_night
from evals.reports.decide.mixes import MixShift
from evals.reports.decide.verdicts import (
    Nightly,
    Verdict,
    compute_smallest_difference,
    decide_verdicts,
)
from evals.reports.incident_rows import Incidents
from evals.reports.phrases import round_figure
from evals.reports.result_rows import (
    BlessedResult,
    CarriedOver,
    Estimator,
    GoldRows,
    Mix,
    PastRate,
    Result,
    Unlabelled,
    Weighted,
)
from evals.reports.section import Parts, Section, make_empty, show_rate
from evals.reports.sections import incidents
from evals.reports.sections.incidents import collect_evidence
from evals.specs import Gate
from evals.statistics import Proportion
from evals.statistics.series import FULL


def build(night: Evidence, parts: Parts) -> tuple[Result, ...]:
    """Returns a row for each of tonight's rates, in the suite's order, the whole before slices."""
    order = {name: i for i, name in enumerate(night.dimensions)}
    questions = {e.name: e.question for e in night.evaluators}
    questions |= {name: dimension.question for name, dimension in night.dimensions.items()}
    measured = sorted(
        measure_night(night),
        key=lambda m: (
            order.get(m.row.dimension, len(order)),
            m.row.identity,
            m.row.slice != "all",
            m.row.slice,
        ),
    )
    gate, found = night.app.gate, parts[incidents.SECTION]
    gates = night.find_gates(m.row for m in measured)
    verdicts = decide_verdicts(measured, gate, list_nightly(measured, found), gates)
    return tuple(
        build_result(
            m,
            questions.get(m.row.dimension) or questions.get(m.row.evaluator, ""),
            gates[m.row],
            verdict,
        )
        for m, verdict in zip(measured, verdicts, strict=True)
    )


def list_nightly(measured: Sequence[Measurement], found: Incidents) -> list[Nightly | None]:
    """Returns what the nights show of each measurement; None where it has no series."""
    shown = list[Nightly | None]()
    for m in measured:
        key = m.row.series
        one, since, drift = found.find_series(key), found.find_start(key), found.find_drift(key)
        shown.append(
            Nightly(one.z, one.low, one.nights >= FULL, one.score, one.threshold, since, *drift)
            if one
            else None
        )
    return shown


def build_result(m: Measurement, question: str, gate: Gate, verdict: Verdict) -> Result:
    """Returns a measurement as the report shows it."""
    row, rate, d = m.row, m.counted, m.difference
    shown = show_rate(rate)
    due = row.n + (m.unsampled or 0) + m.pending
    return Result(
        dimension=row.dimension,
        question=question,
        evaluator=row.evaluator,
        evaluator_version=row.evaluator_version,
        kind=row.kind,
        slice=row.slice,
        n=row.n,
        passed=row.passed,
        failed=row.failed,
        errored=row.errored,
        skipped=row.skipped,
        unsampled=m.unsampled,
        pending=m.pending,
        rate=shown.rate,
        low=shown.low,
        high=shown.high,
        weighted=build_weighted_rate(m.weighted),
        gold=show_gold_rows(m),
        unlabelled=show_unlabelled(m),
        estimate=round_figure(m.estimate.value if m.estimate else None),
        estimate_low=round_figure(m.estimate.low if m.estimate else None),
        estimate_high=round_figure(m.estimate.high if m.estimate else None),
        estimator=cast("Estimator", m.estimator),
        coverage=rate.n / due if due and m.unsampled is not None else None,
        aligned=m.aligned,
        decides=m.decides,
        target=m.target,
        mde=round_figure(compute_smallest_difference(m, gate)),
        verdict=verdict.word,
        reason=verdict.reason,
        baseline=build_past_rate(m),
        change=round_figure(d.change if d else None),
        change_low=round_figure(d.low if d else None),
        change_high=round_figure(d.high if d else None),
        p=round_figure(d.p if d else None),
        blessed=build_blessed_result(m, verdict),
        mix=build_mix(m.mix),
        carried=build_carried(m),
    )


def build_carried(m: Measurement) -> CarriedOver | None:
    """Returns what carried a judge's earlier nights over, as the report shows it."""
    if m.attribution is None or m.anchored is None:
        return None
    judge, application = m.attribution.judge, m.attribution.application
    return CarriedOver(
        before_version=m.anchored.before_version,
        anchors=m.attribution.anchors,
        judge=round_figure(judge.value),
        judge_low=round_figure(judge.low),
        judge_high=round_figure(judge.high),
        application=round_figure(application.value),
        application_low=round_figure(application.low),
        application_high=round_figure(application.high),
        needed=m.attribution.needed,
        words=m.attribution.describe(),
    )


def build_blessed_result(m: Measurement, verdict: Verdict) -> BlessedResult | None:
    """Returns the comparison with the blessed baseline as the report shows it."""
    if m.blessed is None or verdict.blessed is None:
        return None
    d, before = m.blessed.difference, m.blessed.rate
    return BlessedResult(
        date=m.blessed.night,
        rate=round_figure(before.rate),
        n=before.n,
        change=round_figure(d.change),
        low=round_figure(d.low),
        high=round_figure(d.high),
        p=round_figure(d.p),
        verdict=verdict.blessed,
        decided=verdict.is_from_blessed,
    )


def build_mix(shift: MixShift | None) -> Mix | None:
    """Returns what the mix did as the report shows it."""
    if shift is None:
        return None
    parts = shift.parts
    return Mix(
        change=round_figure(parts.mix),
        change_se=round_figure(parts.mix_se),
        rate=round_figure(parts.rate),
        rate_se=round_figure(parts.rate_se),
        stratum=shift.stratum,
        share_before=round_figure(shift.share_before),
        share_after=round_figure(shift.share_after),
    )


def show_gold_rows(m: Measurement) -> GoldRows | None:
    """Returns how the gold set was used, as the report shows it; None without one."""
    if m.covered is None or not m.covered.gold_rows:
        return None
    n, matched = m.covered.gold_rows, m.covered.gold_matched
    return GoldRows(n=n, unmatched=n - matched, version=m.covered.gold_version or "")


def show_unlabelled(m: Measurement) -> Unlabelled | None:
    """Returns the answers without a label as the report shows them; None without any."""
    if m.labelling is None or not m.labelling.unlabelled:
        return None
    possible = bound_rate(m.rate, m.labelling.unlabelled)
    return Unlabelled(
        n=m.labelling.unlabelled,
        low=round_figure(possible.low if possible else None),
        high=round_figure(possible.high if possible else None),
    )


def build_past_rate(m: Measurement) -> PastRate | None:
    """Returns a measurement's baseline as the report shows it."""
    base = m.baseline
    if base is None:
        return None
    return PastRate(
        rate=base.pooled.rate,
        n=base.pooled.n,
        first=base.dates[0],
        last=base.dates[-1],
        weighted=base.is_weighted,
    )


def build_weighted_rate(side: Proportion | None) -> Weighted | None:
    """Returns the weighted rate and its interval, rounded."""
    if side is None:
        return None
    low, high = side.interval()
    rate, low, high, n = (round(value, 8) + 0.0 for value in (side.rate, low, high, side.size))
    return Weighted(rate, low, high, n)


SECTION = Section[Evidence, tuple[Result, ...]](
    name="results",
    about="One row per dimension, evaluator and slice.",
    part=tuple[Result, ...],
    collect=collect_evidence,
    build=build,
    empty=make_empty,
    needs=(incidents.SECTION,),
)
