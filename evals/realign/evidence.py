"""What was measured of a candidate: on which labels, how well, at which price, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evals.realign.labelled_answers import LabelledAnswer
from evals.records import Outcome
from evals.reports.json_form import absent_if
from evals.statistics import Agreement
from evals.statistics.judges_compared import (
    Compared,
    Decided,
    JudgeDifference,
    compare_judges,
    decide,
    measure_balanced,
)

Result = Literal["not measured", "measured on dev", "better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A judge against people's labels."""

    n: int
    """Answers on which both judges have a verdict."""
    tpr: Rate
    tnr: Rate
    balanced: Rate
    """The mean of TPR and TNR."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The candidate's balanced accuracy minus that of the judge there is, on the same answers."""

    value: float
    low: float
    high: float
    alpha: float
    """The level of the interval: .05 divided by the looks at these labels so far."""
    only_candidate: int
    """Answers that the candidate alone judged as people did."""
    only_now: int
    """Answers that the judge there is alone judged as people did."""
    p: float
    """McNemar's exact p of these two numbers."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate and the judge there is on one split of the labels."""

    candidate: Figures
    now: Figures
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured of a candidate."""

    before: str
    """The judge that it is compared with: a digest of its declaration."""
    labels: str
    """A hash of the labels that it was made from and measured on."""
    splits: Mapping[str, Mapping[str, int]]
    """The passes and failures of each split."""
    note: str
    """How it was made."""
    result: Result
    why: str
    """What follows, or why it was not measured."""
    dev: Measured | None = absent_if(None)
    """On the labels that candidates are chosen by: optimistic."""
    test: Measured | None = absent_if(None)
    """On the locked labels, looked at once."""
    look: int | None = absent_if(None)
    """The how many-th look at these test labels it was."""
    calls: int = 0
    """Calls that measuring it took in its last run."""
    usd: float = 0.0
    """What they cost."""
    usd_per_1000: float | None = None
    """What judging 1,000 answers would cost; null: no price is known."""
    usd_per_1000_now: float | None = None
    """What it costs now."""
    calls_needed: int = 0
    """Calls without which it cannot be measured."""
    usd_needed: float | None = None
    """What they would cost."""
    ms_per_answer: float | None = absent_if(None)
    """What a classifier takes for an answer on this machine; null: a model elsewhere is asked."""


class Pair(NamedTuple):
    """One answer with both verdicts."""

    answer: LabelledAnswer
    candidate: bool
    now: bool


def pair_answers(
    answers: Sequence[LabelledAnswer],
    candidate: Sequence[Outcome | None],
    now: Sequence[Outcome | None],
) -> list[Pair]:
    """Pairs the answers on which both judges have a verdict."""
    return [
        Pair(answer, one.passed, other.passed)
        for answer, one, other in zip(answers, candidate, now, strict=True)
        if one and other
    ]


def measure_pairs(pairs: Sequence[Pair], alpha: float) -> Measured | None:
    """Measures both judges on the same answers; None without answers of both classes."""
    difference = compare_judges(
        [
            Compared(
                one.answer.passed,
                one.candidate is one.answer.passed,
                one.now is one.answer.passed,
                (one.answer.trace.app, one.answer.session),
            )
            for one in pairs
        ],
        alpha,
    )
    candidate = build_figures([(one.answer.passed, one.candidate) for one in pairs])
    now = build_figures([(one.answer.passed, one.now) for one in pairs])
    if difference is None or candidate is None or now is None:
        return None
    return Measured(candidate, now, build_difference(difference, alpha))


def build_difference(found: JudgeDifference, alpha: float) -> Difference:
    """Returns a difference as it is stored."""
    value, low, high = (round(x, 6) for x in (found.value, found.low, found.high))
    only = (found.only_first, found.only_second)
    return Difference(value, low, high, alpha, *only, round(found.p, 6))


def build_figures(answers: Sequence[tuple[bool, bool]]) -> Figures | None:
    """Returns a judge's figures; None without answers of both classes.

    Args:
        answers: what people decided, and what the judge did.
    """
    balanced = measure_balanced(answers)
    if balanced is None:
        return None
    table = Agreement(
        answers.count((True, True)),
        answers.count((True, False)),
        answers.count((False, True)),
        answers.count((False, False)),
    )
    rates = [
        Rate(*(round(x, 6) for x in (side.rate, *side.interval())))
        for side in (table.passes, table.fails)
    ]
    return Figures(table.n, rates[0], rates[1], Rate(*(round(x, 6) for x in balanced)))


def judge_result(difference: Difference) -> Decided:
    """What a difference shows of the candidate."""
    return decide(difference.low, difference.high)


def format_difference(difference: Difference) -> str:
    """Describes a difference with its interval, in points."""
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})".replace("-", "−")
