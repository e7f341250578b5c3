"""Classifiers: what each learned from, how well it agrees, and whether its inputs or that moved.

Whether one decides is shown beside its rate, as of a judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from evals.classifiers.cards import Card, Interval
from evals.classifiers.watching import Shift
from evals.reports.classifier_inputs import Inputs
from evals.reports.decide.judge_labels import JudgeLabels, build_strata
from evals.reports.decide.rows import Labelled, read_rows
from evals.reports.json_form import Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.statistics import Agreement, Sides, compare_rates, measure_sides

RECENT = timedelta(days=28)
ALPHA = 0.025
"""Of each of TPR and TNR: one night of stable agreement shows a fall once in twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A mean of TPR and TNR, with its 95% interval."""

    rate: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Agreement on the held-out labels after learning from so many."""

    n: Count
    rate: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Trivial:
    """A trivial classifier, or the classifier without lengths, on the same labels."""

    name: str
    balanced: Rate
    f1: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A property of tonight's answers against those of the nights it learned from."""

    name: str
    """`failing` is its own P(fail); `overlap` the share of words that are in the source."""
    n: Count
    psi: float
    """The population stability index in ten bins."""
    limit: float
    """Beyond which the index is more than noise, and at least .1."""
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Held-out labels of the last 28 nights, later than those it learned from."""

    n: Count
    tpr: Share | None
    tnr: Share | None
    fell: bool
    """Whether one of them is surely below what it was on held-out labels after training; labels
    with a known chance are weighted by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """One classifier of the night."""

    dimension: str
    evaluator: str
    evaluator_version: str
    model: str
    """Its model: a hash of what its verdicts depend on."""
    learns_from: str
    """`people`, or `judge NAME`."""
    passes: Count
    """Verdicts it learned from that pass an answer."""
    fails: Count
    recall: Share
    """The share of failing answers that its threshold was chosen to flag."""
    held_out: Rate | None
    """On people's labels it never learned from; null: there were none."""
    trivial: tuple[Trivial, ...]
    curve: tuple[Point, ...]
    inputs: tuple[Input, ...]
    """Empty where there are fewer than 50 answers."""
    since: Fall | None = absent_if(None)
    """Only where there are such labels."""
    drifted: bool
    """Whether its inputs moved or its agreement fell: label more, and train it again."""


@dataclass(frozen=True, slots=True)
class Given:
    """The night's classifiers, and labels of all nights so far."""

    date: date
    classifiers: Sequence[Inputs]
    labels: tuple[Labelled, ...]


def collect(night: NightData) -> Given:
    """Reads the classifiers' inputs, and the labels where there are any."""
    watched = night.watch_classifiers()
    rows = read_rows(Labelled, night.read_rows_so_far("fct_agreement")) if watched else ()
    return Given(night.date, watched, tuple(rows))


def build(given: Given, parts: Parts) -> tuple[Classified, ...]:
    """Returns one row for each classifier with a promoted model."""
    del parts
    return tuple(build_row(one, given) for one in given.classifiers)


def build_row(one: Inputs, given: Given) -> Classified:
    """Returns a classifier as the report shows it."""
    card, evaluator = one.card, one.evaluator
    inputs = tuple(map(build_input, one.shifts))
    key = (evaluator.dimension, evaluator.name, evaluator.version)
    since = measure_since(card, [row for row in given.labels if row.identity == key], given.date)
    return Classified(
        dimension=evaluator.dimension,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        model=card.model,
        learns_from=card.learns_from,
        passes=card.data.passes,
        fails=card.data.fails,
        recall=card.recall,
        held_out=show_rate(card.held_out.balanced) if card.held_out else None,
        trivial=tuple(
            Trivial(name=x.name, balanced=show_rate(figures.balanced), f1=figures.f1)
            for x in card.baselines
            for figures in (x.held_out or x.cross_validated,)
        ),
        curve=tuple(
            Point(n=x.n, rate=x.balanced.rate, low=x.balanced.low, high=x.balanced.high)
            for x in card.curve
        ),
        inputs=inputs,
        since=since,
        drifted=any(x.drifted for x in inputs) or bool(since and since.fell),
    )


def show_rate(interval: Interval) -> Rate:
    """Returns a rate as the report shows it."""
    return Rate(rate=interval.rate, low=interval.low, high=interval.high)


def build_input(shift: Shift) -> Input:
    """Returns a property as the report shows it."""
    drift = shift.drift
    return Input(
        name=shift.name,
        n=shift.n,
        psi=round_figure(drift.psi),
        limit=round_figure(drift.limit),
        drifted=drift.has_drifted,
    )


def measure_since(card: Card, rows: Sequence[Labelled], night: date) -> Fall | None:
    """Measures agreement on the later held-out labels; None without any.

    Labels of a review queue are weighted by their chance: it prefers answers that the classifier
    failed, so that of its labels each counted as one TPR is lower than after training.
    """
    last = date.fromisoformat(card.data.last) if card.data.last else date.min
    recent = [row for row in rows if row.date and max(last, night - RECENT) < row.date <= night]
    labels = JudgeLabels(tuple(recent))
    counted, before = labels.counted, card.held_out
    if not counted.n:
        return None
    trained = Agreement(before.tp, before.fn, before.fp, before.tn) if before else None
    sides = measure_sides(build_strata(recent), ALPHA) if labels.is_sampled else None
    tpr, tnr = (sides.tpr.value, sides.tnr.value) if sides else (counted.tpr, counted.tnr)
    return Fall(
        n=counted.n,
        tpr=round_figure(tpr),
        tnr=round_figure(tnr),
        fell=bool(trained) and has_fallen(trained, counted, sides),
    )


def has_fallen(trained: Agreement, counted: Agreement, sides: Sides | None) -> bool:
    """Whether TPR or TNR is surely below what it was; of weighted labels by MOVER."""
    was, now = (trained.passes, trained.fails), (counted.passes, counted.fails)
    if sides is None:
        pairs = zip(was, now, strict=True)
        return any(compare_rates(a, b, ALPHA).high < 0 for a, b in pairs if a.n and b.n)
    return any(
        b.value - a.rate + math.hypot(b.high - b.value, a.rate - a.interval(ALPHA).low) < 0
        for a, b in zip(was, sides, strict=True)
        if a.n
    )


SECTION = Section[Given, tuple[Classified, ...]](
    name="classifiers",
    about="Trained classifiers: what they learned from, and whether their inputs or their "
    "agreement moved since.",
    part=tuple[Classified, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
