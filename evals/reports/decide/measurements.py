"""A night's rates with their baseline and labels: everything that a verdict depends on.

Verdicts and their reasons are in `verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from evals.evaluators.registry import is_recorded
from evals.reports.decide.anchors import Anchored, Attribution, attribute_change
from evals.reports.decide.blessed import BlessedRate, allow_for_nights, compare_with_blessed
from evals.reports.decide.coverage import is_measured
from evals.reports.decide.evidence import Evidence
from evals.reports.decide.judge_labels import JudgeLabels, pool_labels
from evals.reports.decide.labelling import (
    Key,
    Labelling,
    is_from_people,
    measure_labelling,
    widen_difference,
)
from evals.reports.decide.mixes import (
    MixShift,
    list_new_strata,
    measure_mix,
    standardise,
    tally_strata,
)
from evals.reports.decide.rates import (
    count_row,
    count_scored,
    estimate_rate,
    is_aligned,
    pool_rates,
)
from evals.reports.decide.resistance import Resistance, measure_resistances
from evals.reports.decide.rows import (
    Covered,
    Identity,
    Rate,
)
from evals.specs import DefaultDimension, Dimension, Gate
from evals.statistics import (
    Difference,
    Effect,
    Estimate,
    Proportion,
    compare_rates,
)


class Baseline(NamedTuple):
    """The earlier nights that a rate is compared with."""

    pooled: Proportion
    dates: tuple[date, ...]
    is_weighted: bool
    """Whether some night's traces were sampled with different probabilities."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of tonight's rates with everything its verdict depends on."""

    row: Rate
    counted: Proportion
    """The rate of the scored rows."""
    weighted: Proportion | None
    """The rate over all traces, where traces were sampled with different probabilities."""
    unsampled: int | None
    pending: int
    """Traces whose answers are expected from a batch, so that they have no row yet."""
    labels: JudgeLabels | None
    aligned: bool | None
    resistance: Resistance | None
    """Resistance to attacks; None if the evaluator is no judge."""
    decides: bool
    target: float | None
    baseline: Baseline | None
    evaluator_changed: bool
    """Whether only other versions of this evaluator were reported before."""
    difference: Difference | None
    estimate: Estimate | None
    estimator: str
    labelling: Labelling | None = None
    """How much of the night has a label; None where the verdicts are no labels."""
    covered: Covered | None = None
    """What its evaluator covers; None for a slice."""
    needed: float = 0.0
    """The share of the sampled answers that has to be judged."""
    blessed: BlessedRate | None = None
    """The same rate of the blessed report; None without one of this evaluator."""
    mix: MixShift | None = None
    """What the mix of the traffic did, where that is clear: the difference is without it."""
    min_answers: int = 1
    """Verdicts that its target needs to decide."""
    anchored: Anchored | None = None
    """The anchors of a judge that has another version than on the earlier nights."""
    attribution: Attribution | None = None
    """The change since its earlier version in two, where there are enough anchors: the difference
    is what the application did."""

    @property
    def rate(self) -> Proportion:
        """Tonight's rate in every comparison."""
        return self.weighted or self.counted

    @property
    def is_aimed(self) -> bool:
        """Whether it has a target, and answers enough for that to decide."""
        return self.target is not None and self.counted.n >= max(1, self.min_answers)


def measure_night(night: Evidence) -> Iterable[Measurement]:
    """Measures tonight's rates, with a row of zeros for each evaluator without traces."""
    labels, resistances = pool_labels(night.agreement), measure_night_resistances(night)
    unsampled: dict[Identity, int] = {}
    pending: dict[Identity, int] = {}
    for row in night.coverage:
        key = row.identity
        unsampled[key] = unsampled.get(key, 0) + max(0, row.covered - row.sampled)
        pending[key] = pending.get(key, 0) + row.pending
    earlier: dict[Identity, list[Rate]] = {}
    for row in night.list_past_wholes():
        earlier.setdefault(row.identity, []).append(row)
    reported = {key[:2] for key, rows in earlier.items() if count_scored(rows)}
    awaited = night.count_pending()
    covered = {row.identity: row for row in night.coverage}
    judged = measure_labelling(night.rates, night.coverage)
    for row in [*night.rates, *build_empty_rows(night)]:
        key, is_whole = row.identity, row.slice == "all"
        history = earlier.get(key, []) if is_whole else list_past_slice(night, row)
        anchored = night.bridges.get(key) if is_whole else None
        if anchored and (anchored.is_enough or not history):
            history = choose_history(history, earlier.get((*key[:2], anchored.before_version), []))
        yield measure_row(
            night,
            row,
            labels.get(key),
            resistances.get(key),
            unsampled=unsampled.get(key, 0) if is_whole or not unsampled.get(key) else None,
            pending=pending.get(key, 0) if is_whole else 0,
            history=[
                past
                for past in history
                if is_measured(past, awaited.get((past.date, key), 0), night.find_needed(past))
            ],
            evaluator_changed=is_whole
            and key[:2] in reported
            and not count_scored(earlier.get(key, []))
            and not (anchored and anchored.is_enough and count_scored(history)),
            labelling=find_labelling(night, row, judged, unsampled.get(key, 0)),
            covered=covered.get(key) if is_whole else None,
            anchored=anchored,
        )


def choose_history(own: Sequence[Rate], before: Sequence[Rate]) -> Sequence[Rate]:
    """Chooses the nights a changed judge is compared with: its own once they are more."""
    return own if len(own) > len(before) else before


def find_labelling(
    night: Evidence, row: Rate, judged: Mapping[Key, Labelling], unlabelled: int
) -> Labelling | None:
    """Finds how much of the night a row's annotators judged; None where it is of no annotators."""
    if row.slice != "all" or not is_recorded(row.kind):
        return None
    if not is_from_people(row):
        return Labelling(row.n + unlabelled, unlabelled)
    needed = night.find_needed(row)
    return judged[row.dimension, row.evaluator_version]._replace(needed=needed)


def select_complete(
    night: Evidence, row: Rate, history: Sequence[Rate], needed: float
) -> tuple[Sequence[Rate], int]:
    """Selects the earlier nights of which people judged enough, and counts what they did not."""
    complete, unlabelled = list[Rate](), 0
    for past in history:
        same_night = [one for one in night.history if one.date == past.date]
        coverage = [one for one in night.coverage_before if one.date == past.date]
        labelling = measure_labelling(same_night, coverage)
        of_night = labelling[row.dimension, row.evaluator_version]._replace(needed=needed)
        if of_night.is_complete:
            complete.append(past)
            unlabelled += of_night.unlabelled
    return complete, unlabelled


def measure_row(
    night: Evidence,
    row: Rate,
    labels: JudgeLabels | None,
    resistance: Resistance | None,
    *,
    unsampled: int | None,
    pending: int,
    history: Sequence[Rate],
    evaluator_changed: bool,
    labelling: Labelling | None,
    covered: Covered | None,
    anchored: Anchored | None = None,
) -> Measurement:
    """Measures one row of rates against its baseline."""
    unlabelled_before = 0
    if labelling and is_from_people(row):
        history, unlabelled_before = select_complete(night, row, history, labelling.needed)
    counted, rate, before = count_row(row), pool_rates([row]), pool_rates(history)
    is_carried = bool(anchored and history and history[0].identity != row.identity)
    attribution = None
    if anchored and is_carried:
        if not anchored.is_enough:
            history, before = (), Proportion(0, 0)
        elif rate.n and before.n:
            attribution = attribute_rate(anchored, before, rate)
            before = anchored.bridge.carry_rate(before)
    aligned = is_aligned(row, labels)
    value, estimator = estimate_rate(row, rate, labels, night.date)
    dimension = night.dimensions.get(row.dimension)
    mix = find_mix(night, row, history, before, rate)
    sides = standardise(before, rate, mix) if mix else (before, rate)
    compared = compare_rates(*sides, night.app.gate.alpha) if before.n and counted.n else None
    if compared and labelling:
        both = (unlabelled_before, labelling.unlabelled)
        compared = widen_difference(compared, before, rate, both)
    return Measurement(
        row=row,
        counted=counted,
        weighted=rate if row.is_weighted else None,
        unsampled=unsampled,
        pending=pending,
        labels=labels,
        aligned=aligned,
        resistance=resistance,
        decides=may_decide(row, aligned, resistance, dimension, night.app.gate)
        and (labelling is None or labelling.is_complete),
        target=find_target(dimension, row),
        baseline=make_baseline(before, history),
        evaluator_changed=evaluator_changed,
        difference=compared,
        estimate=value,
        estimator=estimator,
        labelling=labelling,
        covered=covered,
        needed=0.0 if row.slice != "all" else night.find_needed(row),
        blessed=compare_with_blessed(
            night.blessed, (*row.identity, row.slice), rate, night.app.gate.alpha
        ),
        mix=mix,
        min_answers=night.find_gate(row).min_answers,
        anchored=anchored,
        attribution=attribution,
    )


def attribute_rate(anchored: Anchored, before: Proportion, rate: Proportion) -> Attribution:
    """Splits the change of a rate between a judge and the application."""
    smooth = (rate.rate * rate.size + 1) / (rate.size + 2)
    after = Effect(rate.rate, math.sqrt(smooth * (1 - smooth) / allow_for_nights(rate).size))
    return attribute_change(anchored, before, after)


def find_target(dimension: Dimension | None, row: Rate) -> float | None:
    """Finds the target of a row: the dimension's, or that of a slice that decides for itself."""
    if dimension is None or row.slice == "all":
        return dimension.target if dimension else None
    own = dimension.slices.get(row.slice)
    return own.target if own else dimension.target


def list_past_slice(night: Evidence, row: Rate) -> list[Rate]:
    """Lists the earlier nights of a slice that decides for itself; nothing of other slices."""
    dimension = night.dimensions.get(row.dimension)
    if dimension is None or row.slice not in dimension.slices:
        return []
    return [
        past
        for past in night.history
        if past.date
        and past.date < night.date
        and (*past.identity, past.slice) == (*row.identity, row.slice)
    ]


def find_mix(
    night: Evidence, row: Rate, history: Sequence[Rate], before: Proportion, rate: Proportion
) -> MixShift | None:
    """Finds what the mix of the traffic did to a row's rate; None where that is not clear."""
    if not before.n or not rate.n or row.slice != "all":
        return None
    before_identity = history[0].identity if history else row.identity
    nights = {past.date for past in history if past.date}
    past = [one for one in night.strata if one.identity == before_identity and one.date in nights]
    new = list_new_strata(past, nights)
    sides = [
        tally_strata(one for one in past if one.stratum not in new),
        tally_strata(
            one for one in night.strata if one.identity == row.identity and one.date == night.date
        ),
    ]
    ratios = (before.size / before.n, rate.size / rate.n)
    shift = measure_mix(sides[0], sides[1], ratios)
    return shift if shift and shift.is_clear else None


def make_baseline(pooled: Proportion, history: Sequence[Rate]) -> Baseline | None:
    """Returns the pooled rate of the earlier nights; None where they have no verdicts."""
    if not pooled.n:
        return None
    dates = tuple(sorted(past.date for past in history if past.date and past.scored))
    return Baseline(pooled, dates, any(past.is_weighted for past in history))


def build_empty_rows(night: Evidence) -> Iterable[Rate]:
    """Yields a row of zeros for each planned evaluator, and slice that decides, without traces."""
    met = {row.series for row in night.rates}
    for evaluator in night.evaluators:
        identity = (evaluator.dimension, evaluator.name, evaluator.version)
        dimension = night.dimensions.get(evaluator.dimension)
        for name in ("all", *sorted(dimension.slices if dimension else ())):
            if (*identity[:2], name) not in met and not is_recorded(evaluator.kind):
                yield Rate(*identity, evaluator.kind, name, 0, 0, 0, 0, 0)


def measure_night_resistances(night: Evidence) -> dict[Identity, Resistance]:
    """Measures the resistance of each judge of the night."""
    limit, each = night.attacks.max_success, night.attacks.each
    return measure_resistances(night.canaries, night.evaluators, limit, each)


def may_decide(
    row: Rate,
    aligned: bool | None,
    resistance: Resistance | None,
    dimension: Dimension | None,
    gate: Gate,
) -> bool:
    """Whether a row counts for the night's verdict: whole, gated, aligned, not vulnerable."""
    own = row.slice == "all" or (dimension is not None and row.slice in dimension.slices)
    if not own or aligned is False or (resistance and resistance.is_vulnerable):
        return False
    if is_recorded(row.kind) and not is_from_people(row):
        return False
    is_default = isinstance(dimension, DefaultDimension)
    named = is_default or not gate.dimensions or row.dimension in gate.dimensions
    return named and (dimension is None or dimension.gate)
