"""What a judge's model did that its pin does not allow.

An alarm is no score and moves no rate; it explains why a figure may not mean what it seems to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evals.reports.decide.rows import FailureCount, Row, read_rows
from evals.reports.section import Count, NightData, Parts, Section, nothing
from evals.specs import Evaluator, ModelPin

Code = Literal["other-model", "other-weights", "model-changed"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One judge's alarm."""

    code: Code
    """`other-model`: another model answered, its answers are no scores. `other-weights`: the
    weights are not the pinned ones, nothing was asked. `model-changed`: under `pins: record`
    another model answers to the name than at the report before."""
    evaluator: str
    words: str
    n: Count
    """Traces without a score for it; of `model-changed`, the answers of the new model."""


class Answering(NamedTuple):
    """How many answers a model gave for an evaluator."""

    evaluator: str
    model: str
    fingerprint: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What alarms are raised from."""

    evaluators: tuple[Evaluator, ...]
    answering: tuple[Answering, ...]
    answering_before: tuple[Answering, ...]
    """Of the latest earlier report that has it."""
    failures: tuple[FailureCount, ...]


def collect(night: NightData) -> Facts:
    """Who answered, now and before, and what could not be scored."""
    return Facts(
        evaluators=tuple(night.evaluators),
        answering=answering(night.answering_models()),
        answering_before=answering(night.answering_models_before()),
        failures=tuple(read_rows(FailureCount, night.tonight("rpt_failures"))),
    )


def answering(rows: Iterable[Row]) -> tuple[Answering, ...]:
    """Rows as records."""
    return tuple(read_rows(Answering, rows))


def build(facts: Facts, parts: Parts) -> tuple[Alarm, ...]:
    """Every alarm of a night."""
    del parts
    unscored = Counter[tuple[str, str | None]]()
    for row in facts.failures:
        unscored[row.evaluator, row.code] += row.n
    return tuple(
        alarm
        for judge in sorted(facts.evaluators, key=lambda e: (e.name, e.version))
        if judge.pin
        for alarm in judge_alarms(judge, judge.pin, facts, unscored)
    )


def judge_alarms(
    judge: Evaluator, pin: ModelPin, facts: Facts, unscored: Counter[tuple[str, str | None]]
) -> Iterator[Alarm]:
    """The alarm of one judge, where there is one."""
    now, before = names(judge, facts.answering), names(judge, facts.answering_before)
    others = now - {pin.model, *pin.answers_as}
    if n := unscored[judge.name, "other-model"]:
        who = join_names(others) or "another model"
        words = f"{describe_unscored(n, judge)}: {who} answered, the pin is {pin.model}"
        yield Alarm("other-model", judge.name, words, n)
    elif n := unscored[judge.name, "other-weights"]:
        words = f"{describe_unscored(n, judge)}: {pin.model} is not the pinned file"
        yield Alarm("other-weights", judge.name, words, n)
    elif before and others - before:
        words = (
            f"{judge.name}: {join_names(now)} answered for {pin.model}, before {join_names(before)}"
        )
        n = count_answers(judge, facts.answering, others - before)
        yield Alarm("model-changed", judge.name, words, n)


def describe_unscored(n: int, judge: Evaluator) -> str:
    """How many traces a judge was not asked about, or not by its pin."""
    return f"{n} {'trace has' if n == 1 else 'traces have'} no score from {judge.name}"


def names(judge: Evaluator, rows: Iterable[Answering]) -> set[str]:
    """The models that answered for a judge."""
    return {row.model for row in rows if row.evaluator == judge.name}


def count_answers(judge: Evaluator, rows: Sequence[Answering], models: set[str]) -> int:
    """How many answers came from some models."""
    return sum(row.n for row in rows if row.evaluator == judge.name and row.model in models)


def join_names(models: set[str]) -> str:
    """Models in a sentence."""
    return ", ".join(sorted(models))


SECTION = Section[Facts, tuple[Alarm, ...]](
    name="alarms",
    about="What a judge's model did that its pin does not allow; never a score.",
    part=tuple[Alarm, ...],
    collect=collect,
    build=build,
    empty=nothing,
    default=(),
    is_headline=True,
)
