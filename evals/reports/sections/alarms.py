"""Alarms about judges' models that do not match their pins, or do not answer.

An alarm is no score and changes no rate; it explains why a figure may be misleading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from evals.reports.decide.anchors import find_drift
from evals.reports.decide.outages import Unscored, find_outage
from evals.reports.decide.rows import Anchor, FailureCount, Rate, Row, read_rows
from evals.reports.json_form import Count
from evals.reports.phrases import format_day
from evals.reports.section import Day, NightData, Parts, Section, make_empty
from evals.specs import Evaluator, ModelPin

Code = Literal["other-model", "other-weights", "no-answers", "model-changed", "judge-drifted"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One judge's alarm."""

    code: Code
    """`other-model`: another model answered, its answers are no scores. `other-weights`: the
    weights are not the pinned ones, nothing was asked. `no-answers`: no call gave a verdict,
    or the provider ended the calls of the night. `model-changed`: under `pins: record`
    another model answers to the name than at the report before. `judge-drifted`: answers that
    it had judged before are judged otherwise, under the same version."""
    evaluator: str
    words: str
    n: Count
    """Traces without a score for it; of `model-changed`, the answers of the new model; of
    `judge-drifted`, those judged again."""


class Answering(NamedTuple):
    """How many answers a model gave for an evaluator."""

    evaluator: str
    model: str
    fingerprint: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Facts:
    """The data that alarms are raised from."""

    evaluators: tuple[Evaluator, ...]
    answering: tuple[Answering, ...]
    answering_before: tuple[Answering, ...]
    """Of the latest earlier report that has it."""
    failures: tuple[FailureCount, ...]
    scored: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many traces have a verdict, by evaluator."""
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each error code means."""
    date: Day | None = None
    anchors: tuple[Anchor, ...] = ()
    """Of this night and of all nights before."""


def collect(night: NightData) -> Facts:
    """Reads which models answered, now and before, and what could not be scored."""
    scored = Counter[str]()
    for row in read_rows(Rate, night.read_rows_tonight("rpt_rates")):
        scored[row.evaluator] += row.passed + row.failed if row.slice == "all" else 0
    return Facts(
        evaluators=tuple(night.evaluators),
        answering=read_answering(night.list_answering_models()),
        answering_before=read_answering(night.list_answering_models_before()),
        failures=tuple(read_rows(FailureCount, night.read_rows_tonight("rpt_failures"))),
        scored=scored,
        reasons=night.explain_faults(),
        date=night.date,
        anchors=tuple(read_rows(Anchor, night.read_anchors_so_far())),
    )


def read_answering(rows: Iterable[Row]) -> tuple[Answering, ...]:
    """Reads rows as records."""
    return tuple(read_rows(Answering, rows))


def build(facts: Facts, parts: Parts) -> tuple[Alarm, ...]:
    """Returns the alarms of a night."""
    del parts
    unscored = Counter[tuple[str, str | None]]()
    for row in facts.failures:
        unscored[row.evaluator, row.code] += row.n
    return tuple(
        alarm
        for judge in sorted(facts.evaluators, key=lambda e: (e.name, e.version))
        if judge.pin
        for alarm in find_alarms(judge, judge.pin, facts, unscored)
    )


def find_alarms(
    judge: Evaluator, pin: ModelPin, facts: Facts, unscored: Counter[tuple[str, str | None]]
) -> Iterator[Alarm]:
    """Yields the alarms of one judge: of its model, and of its verdicts."""
    now, before = list_models(judge, facts.answering), list_models(judge, facts.answering_before)
    others = now - {pin.model, *pin.answers_as}
    if n := unscored[judge.name, "other-model"]:
        who = join_models(others) or "another model"
        message = f"{describe_unscored(n, judge)}: {who} answered, the pin is {pin.model}"
        yield Alarm("other-model", judge.name, message, n)
    elif n := unscored[judge.name, "other-weights"]:
        message = f"{describe_unscored(n, judge)}: {pin.model} is not the pinned file"
        yield Alarm("other-weights", judge.name, message, n)
    elif outage := find_outage(list_unscored(judge, facts), facts.scored.get(judge.name, 0)):
        reason = facts.reasons.get(outage.code, outage.code)
        lost = describe_unscored(outage.n, judge)
        message = f"{lost}: {describe_pin(pin)}: {reason}; the next run asks again"
        yield Alarm("no-answers", judge.name, message, outage.n)
    elif before and others - before:
        who = f"{join_models(now)} answered for {pin.model}, before {join_models(before)}"
        message = f"{judge.name}: {who}"
        n = count_answers(judge, facts.answering, others - before)
        yield Alarm("model-changed", judge.name, message, n)
    identity = (judge.dimension, judge.name, judge.version)
    if facts.date and (drift := find_drift(facts.anchors, identity, facts.date)):
        n = drift.anchored.answered
        message = (
            f"{drift.change.describe(f'{judge.name}: the judge drifted')} on {n:,} anchors since "
            f"{format_day(drift.since, 'plain')}, under the same version: {describe_pin(pin)} may "
            "answer with another model"
        )
        yield Alarm("judge-drifted", judge.name, message, n)


def describe_unscored(n: int, judge: Evaluator) -> str:
    """Describes how many traces have no score from a judge."""
    return f"{n} {'trace has' if n == 1 else 'traces have'} no score from {judge.name}"


def list_unscored(judge: Evaluator, facts: Facts) -> Iterator[Unscored]:
    """Yields how many traces have no score from a judge, by code."""
    for row in facts.failures:
        if row.evaluator == judge.name:
            yield Unscored(row.status, row.code or "unknown", row.n)


def describe_pin(pin: ModelPin) -> str:
    """Describes a pin and where it is called."""
    server = pin.azure.endpoint if pin.azure else pin.base_url
    return f"pin {pin.name} ({server or pin.provider})"


def list_models(judge: Evaluator, rows: Iterable[Answering]) -> set[str]:
    """Returns the models that answered for a judge."""
    return {row.model for row in rows if row.evaluator == judge.name}


def count_answers(judge: Evaluator, rows: Sequence[Answering], models: set[str]) -> int:
    """Counts the answers of some models."""
    return sum(row.n for row in rows if row.evaluator == judge.name and row.model in models)


def join_models(models: set[str]) -> str:
    """Joins the names of models for a sentence."""
    return ", ".join(sorted(models))


SECTION = Section[Facts, tuple[Alarm, ...]](
    name="alarms",
    about="What a judge's model did that its pin does not allow; never a score.",
    part=tuple[Alarm, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
    is_headline=True,
)
