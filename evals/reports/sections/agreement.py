"""Agreement of evaluators with people's labels, and of judges with their own repeated answers.

`evals.runs.noise` chooses which answers are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from evals.evaluators.registry import needs_alignment
from evals.reports.decide.anchors import label_anchors
from evals.reports.decide.judge_labels import JudgeLabels, Look, pool_labels
from evals.reports.decide.rows import Anchor, Identity, Labelled, Repeats, read_rows
from evals.reports.json_form import Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty, show_rate
from evals.reports.sections import results
from evals.statistics import Estimate, Proportion, effective_n


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A judge's own noise: how often one more answer contradicts the first."""

    repeats: int
    """Times the same request is sent, with the same seed."""
    contents: Count
    """Those with a first verdict and at least one more."""
    n: Count
    """Further verdicts, each compared with the first of its content."""
    flips: Count
    """Of those, the ones that differ."""
    errors: Count
    """Further answers without a verdict: never a flip."""
    missing: Count
    """Further answers that are not there yet."""
    awaited: Count = absent_if(0)
    """Of the missing, those that come with a batch; only where some do."""
    rate: Share | None
    """The flip rate."""
    low: Share | None
    """Lower end of its 95% interval, clustered by content."""
    high: Share | None
    """Upper end of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRow:
    """A look at an evaluator on its test labels."""

    at: Count
    """The labels of the rarer class from which it was due."""
    tpr: Share
    tpr_low: Share
    """Lower end of its 95% interval."""
    tnr: Share
    tnr_low: Share
    """Lower end of its 95% interval."""
    passed: bool
    """Whether the evaluator agreed with people enough to decide."""
    night: date | None = absent_if(None)
    """The night whose labels brought it."""
    passes: Count = absent_if(0)
    """Test labels that passed an answer."""
    failures: Count = absent_if(0)
    """Test labels that failed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Test labels that the next look needs."""

    passes: Count
    failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """People against each other: what no judge can exceed on their labels."""

    pairs: Count
    """Pairs of people who judged the same answer."""
    agreed: Count
    """Of those, the pairs with one verdict."""
    rate: Share
    low: Share
    """Lower end of its 95% interval."""
    high: Share
    """Upper end of the same."""
    ceiling: Share | None
    """The agreement that a judge without any error would show with one of them, if they err
    independently and alike: (1 + sqrt(2 rate - 1)) / 2; null where they agree no more than by
    chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """One evaluator against people's labels; the positive class is pass."""

    dimension: str
    evaluator: str
    evaluator_version: str
    n: Count
    """Labels compared, over all nights so far."""
    tp: Count
    """Both passed it."""
    fn: Count
    """People passed it, the evaluator failed it."""
    fp: Count
    """People failed it, the evaluator passed it."""
    tn: Count
    """Both failed it."""
    tpr: Share | None
    """Of the answers people passed, the share the evaluator passed; with `sampled`, of all answers
    that the labels were sampled from."""
    tpr_low: Share
    """Lower end of its 95% interval."""
    tpr_high: Share
    """Upper end of the same."""
    tnr: Share | None
    """Of the answers people failed, the share the evaluator failed; as `tpr`."""
    tnr_low: Share
    """Lower end of its 95% interval."""
    tnr_high: Share
    """Upper end of the same."""
    usable: bool
    """At the last look at the test labels TPR and TNR were both above .80, and the lower bounds of
    both above .70."""
    sampled: bool = absent_if(False)
    """Only where it is true: TPR and TNR are measured on the labels whose chance of being asked is
    known, weighted by it, from the strata of the evaluator's verdicts (MOVER-R). So are the looks
    once these have 20 test labels of the rarer class; before, each label counts as one."""
    looks: tuple[LookRow, ...] = absent_if(())
    """The looks at the test labels, at 20, 40, 80 and 160 of the rarer class and at no other
    count; the last one decides."""
    missing: Missing | None = absent_if(None)
    """What the next look needs; only of a judge or classifier that may not decide yet."""
    people: People | None = absent_if(None)
    """How far people agree with each other; only where two judged the same answer."""
    ties: Count = absent_if(0)
    """Answers on which as many people voted for one verdict as for the other: no label."""
    noise: Noise | None = absent_if(None)
    """Only of a judge with `repeats` above 1, which has a row without labels too."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Labels and repeated answers to compare with."""

    labels: tuple[Labelled, ...]
    repeats: tuple[Repeats, ...]


def collect(night: NightData) -> Compared:
    """Reads the labels of all nights so far, and this night's repeats."""
    return Compared(
        labels=(
            *read_rows(Labelled, night.read_rows_so_far("fct_agreement")),
            *label_anchors(read_rows(Anchor, night.read_anchors_so_far())),
        ),
        repeats=tuple(read_rows(Repeats, night.read_table_rows("noise"))),
    )


def build(given: Compared, parts: Parts) -> tuple[Agreed, ...]:
    """Compares this night's evaluators with human labels and with their own repeats."""
    kinds = {row.identity: row.kind for row in parts[results.SECTION]}
    repeats = {row.identity: row for row in given.repeats}
    tables = {key: JudgeLabels(()) for key in repeats} | pool_labels(given.labels)
    return tuple(
        build_agreement(key, tables[key], kinds[key], repeats.get(key))
        for key in sorted(tables.keys() & kinds)
    )


def build_agreement(
    key: Identity, labels: JudgeLabels, kind: str, repeats: Repeats | None
) -> Agreed:
    """Returns one evaluator's agreement as the report shows it."""
    counted, sides = labels.counted, labels.sides
    tpr, tnr = sides or (show_side(counted.passes), show_side(counted.fails))
    return Agreed(
        dimension=key[0],
        evaluator=key[1],
        evaluator_version=key[2],
        n=counted.n,
        tp=counted.tp,
        fn=counted.fn,
        fp=counted.fp,
        tn=counted.tn,
        tpr=round_figure(tpr.value) if labels.is_sampled else counted.tpr,
        tpr_low=round_figure(tpr.low),
        tpr_high=round_figure(tpr.high),
        tnr=round_figure(tnr.value) if labels.is_sampled else counted.tnr,
        tnr_low=round_figure(tnr.low),
        tnr_high=round_figure(tnr.high),
        usable=labels.is_aligned,
        sampled=labels.is_sampled,
        looks=tuple(map(build_look, labels.looks)),
        missing=build_missing(labels) if needs_alignment(kind) else None,
        people=measure_people(labels),
        ties=sum(row.ties for row in labels.rows),
        noise=measure_noise(repeats) if repeats else None,
    )


def show_side(side: Proportion) -> Estimate:
    """Returns the rate of one class with its interval; 0 without a label."""
    return Estimate(side.rate if side.n else 0.0, *side.interval())


def build_look(look: Look) -> LookRow:
    """Returns a look as the report shows it."""
    tpr, tnr = look.sides
    return LookRow(
        at=look.at,
        tpr=round_figure(tpr.value),
        tpr_low=round_figure(tpr.low),
        tnr=round_figure(tnr.value),
        tnr_low=round_figure(tnr.low),
        passed=look.has_passed,
        night=look.night,
        passes=look.passes,
        failures=look.failures,
    )


def build_missing(labels: JudgeLabels) -> Missing | None:
    """Returns what the next look needs; None where the judge decides, or no look is left."""
    if labels.is_aligned or labels.next_look is None:
        return None
    passes, failures = labels.count_missing()
    return Missing(passes=passes, failures=failures)


def measure_people(labels: JudgeLabels) -> People | None:
    """Measures how far people agree with each other; None where no two judged one answer."""
    pairs = sum(row.pairs for row in labels.rows)
    if not pairs:
        return None
    agreed = sum(row.pairs_agreed for row in labels.rows)
    rate = Proportion(agreed, pairs)
    low, high = rate.interval()
    excess = 2 * rate.rate - 1
    return People(
        pairs=pairs,
        agreed=agreed,
        rate=round_figure(rate.rate),
        low=round_figure(low),
        high=round_figure(high),
        ceiling=round_figure((1 + math.sqrt(excess)) / 2) if excess > 0 else None,
    )


def measure_noise(row: Repeats) -> Noise:
    """Measures a judge's noise; without a pair there is no rate."""
    rate = estimate_flip_rate(row)
    shown = show_rate(rate)
    return Noise(
        repeats=row.repeats,
        contents=row.contents,
        n=rate.n,
        flips=row.flips,
        errors=row.errors,
        missing=row.missing,
        awaited=row.awaited,
        rate=shown.rate,
        low=shown.low,
        high=shown.high,
    )


def estimate_flip_rate(row: Repeats) -> Proportion:
    """Estimates the flip rate, clustered by content.

    Where no pair flipped, or all did, the correlation within a content is unknown: each content
    then counts as one observation.
    """
    n, flips = row.pairs, row.flips
    if not 0 < flips < n:
        return Proportion(flips, n, float(row.contents))
    return Proportion(flips, n, effective_n(flips, n, row.contents, row.square))


SECTION = Section[Compared, tuple[Agreed, ...]](
    name="agreement",
    about="Evaluators against people's labels over all nights so far, and judges against "
    "themselves.",
    part=tuple[Agreed, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
)
