"""The rows of a report: one per dimension, evaluator and slice, with its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, cast

from evals.records import Kind
from evals.reports.decide.labelling import bound_rate
from evals.reports.decide.measurements import Evidence, Measurement, measure_night
from evals.reports.decide.mixes import MixShift
from evals.reports.decide.rows import Identity
from evals.reports.decide.verdicts import (
    Nightly,
    Verdict,
    Word,
    compute_smallest_difference,
    decide_verdicts,
)
from evals.reports.json_form import Change, Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import Day, Parts, Section, make_empty, show_rate
from evals.reports.sections import incidents
from evals.reports.sections.incidents import Incidents, collect_evidence
from evals.specs import Gate
from evals.statistics import Proportion
from evals.statistics.series import FULL

Estimator = Literal[
    "raw", "weighted", "post-stratified", "post-stratified-window", "rogan-gladen", "none"
]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A rate with each row counted 1 / inclusion times (Hájek)."""

    rate: Share
    low: Share
    high: Share
    n: float
    """The effective sample size of the rate's variance by design, clustered by session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """The answers that an annotator, or people, did not judge, and what they could change."""

    n: Count
    """Covered answers without a label. People's rows, `.human` and `.adjudicated`, share it."""
    low: Share | None
    """Lower end of the 95% interval if all of them failed."""
    high: Share | None
    """Upper end if all of them passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldRows:
    """The rows of the gold set that answers are compared with."""

    n: Count
    """All rows, each input once."""
    unmatched: Count
    """Those whose input is that of no trace of this night: they count for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRate:
    """The pooled rate of the earlier nights."""

    rate: Share
    n: Count
    """Their rows with a verdict."""
    first: date = field(metadata={"key": "from"})
    last: date = field(metadata={"key": "to"})
    weighted: bool = absent_if(False)
    """Only where traces came into the sample unequally: the rate is weighted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlessedResult:
    """A row against the report that a person named as the baseline."""

    date: Day
    """Of the night of that report."""
    rate: Share
    n: Count
    """Its rows with a verdict."""
    change: Change
    """Tonight's rate minus its."""
    low: Change
    """Lower end of the interval of the change, wider for what nights differ by themselves."""
    high: Change
    """Upper end of the same."""
    p: Share
    """Two-sided, not adjusted for other rows and nights."""
    verdict: Word
    """By this comparison alone."""
    decided: bool
    """Whether the row's verdict comes from it, not from the target or the nights before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What the mix of the traffic did to a rate (Kitagawa 1955)."""

    change: Change
    """Of the rate, at unchanged rates of the strata."""
    change_se: float
    """Its standard error."""
    rate: Change
    """The change that is left: of the rates within the strata."""
    rate_se: float
    stratum: str
    """The slices whose share grew and did most of it; empty: those too small to count alone."""
    share_before: Share
    """Of the answers."""
    share_after: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One evaluator's verdicts on one slice of the night."""

    dimension: str
    """What is asked."""
    question: str
    """The same as a question that a verdict answers."""
    evaluator: str
    """Who answered."""
    evaluator_version: str
    kind: Kind
    """`recorded`: a verdict someone else gave, found in the data."""
    slice: str
    """`all` is the whole."""
    n: Count
    """`passed` + `failed` + `errored` + `skipped`."""
    passed: Count
    failed: Count
    errored: Count
    """No verdict because of an error: never a failure."""
    skipped: Count
    """No verdict because the evaluator did not apply: never a failure."""
    unsampled: Count | None
    """Covered and left out of the sample; null for a slice of a sampled night."""
    pending: Count = 0
    """Answers awaited from a batch: no row yet, so neither scored, skipped nor errored. The row
    is not measured until they are back, and the night is then reported anew."""
    rate: Share | None
    """`passed` / (`passed` + `failed`), raw."""
    low: Share | None
    """Lower end of its 95% interval (Wilson, the sample size made smaller where rows of one
    session move together)."""
    high: Share | None
    """Upper end of the same."""
    weighted: Weighted | None = absent_if(None)
    """Only where traces came into the sample with different probabilities (`sample: strata:`):
    the rate of all traces. Change, verdict, `mde` and slice tests are computed from it; where
    they are, `baseline`, `changes` and `slices` are marked `weighted`."""
    gold: GoldRows | None = absent_if(None)
    """Only of all traces, compared with a gold set."""
    unlabelled: Unlabelled | None = absent_if(None)
    """Only of recorded verdicts that some answers lack. Change and verdict take them into
    account: what they could change is not decided."""
    estimate: Share | None
    """The rate of all covered traces, as `estimator` makes it; null where labels do not suffice."""
    estimate_low: Share | None
    """Lower end of its 95% interval."""
    estimate_high: Share | None
    """Upper end of the same."""
    estimator: Estimator
    """`raw`: the rate itself. `weighted`: the same as `weighted`. `post-stratified`: the rate of
    the night's own labels, each with its chance of being asked, by what the judge decided.
    `post-stratified-window`: the same of the last 84 nights' labels, moved by the change of the
    judge's rate divided by TPR + TNR - 1. `rogan-gladen`: a judge's rate corrected by its
    agreement on labels without a known chance. `none`: labels do not suffice."""
    coverage: Share | None
    """(`passed` + `failed`) / (`n` + `unsampled` + `pending`): the share of covered traces that
    has a verdict."""
    aligned: bool | None
    """Whether a judge or classifier agrees with people; null where that is not needed."""
    decides: bool
    """Whether the row counts for the night's verdict: the whole, not excluded by the suite or the
    gate, aligned where it must be, and not someone else's verdict. What people settled on
    (`.human`, `.adjudicated`) may decide where they judged enough (`min_coverage`)."""
    target: Share | None
    """The rate the suite wants."""
    mde: Share | None
    """The smallest difference this night could find with power .8."""
    verdict: Word
    """One of four, explained below."""
    reason: str
    """Why this verdict."""
    baseline: PastRate | None
    """The pooled rate and size of the earlier nights; null without any."""
    change: Change | None
    """Rate minus the baseline's; where there is a `weighted`, of that."""
    change_low: Change | None
    """Lower end of its interval at the gate's `alpha`."""
    change_high: Change | None
    """Upper end of the same."""
    p: Share | None
    """Two-sided, not adjusted for the night's other rows."""
    blessed: BlessedResult | None = absent_if(None)
    """Only where a report is blessed as the baseline: the comparison with it."""
    mix: Mix | None = absent_if(None)
    """Only where the mix of the traffic moved the rate beyond chance: `change` and the verdict are
    those at the same mix."""

    @property
    def name(self) -> str:
        """Its dimension, and its slice unless that is the whole."""
        return self.dimension if self.is_whole else f"{self.dimension} on {self.slice}"

    @property
    def is_whole(self) -> bool:
        """Whether the row is of all traces, not of a slice."""
        return self.slice == "all"

    @property
    def scored(self) -> int:
        """Rows with a verdict."""
        return self.passed + self.failed

    @property
    def lacks_gold(self) -> bool:
        """Whether answers have no verdict while gold rows match no trace."""
        return bool(self.gold and self.gold.unmatched) and (self.coverage or 0) < 1

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)

    @property
    def key(self) -> tuple[str, str]:
        """The dimension and evaluator of the row."""
        return (self.dimension, self.evaluator)

    @property
    def compared_rate(self) -> Weighted | Result:
        """The rate that comparisons use: the weighted one where there is one."""
        return self.weighted or self


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
        key = m.row.identity[:2]
        one, since = found.find_series(key), found.find_start(key)
        is_whole = m.row.slice == "all"
        shown.append(
            Nightly(one.z, one.low, one.nights >= FULL, since) if one and is_whole else None
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
    return GoldRows(n=n, unmatched=n - matched)


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
