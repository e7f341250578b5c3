"""Which evaluators, which traces, and which earlier reports the night was compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from evals.records import Kind
from evals.reports.decide.rows import Rate, TraceCount, read_rows
from evals.reports.json_form import Count, absent_if
from evals.reports.section import Day, NightData, Parts, Section
from evals.reports.sections.alarms import Answering, read_answering
from evals.specs import Evaluator, classify
from evals.specs.model_families import find_family

PinClass = Literal["pinned", "floating", "unverifiable"]


@dataclass(frozen=True, slots=True)
class Pin:
    """What a model's id promises."""

    promise: PinClass = field(metadata={"key": "class"})
    reason: str


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Who answered the contents of this night."""

    model: str
    fingerprint: str | None
    n: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedEvaluator:
    """An evaluator of the night, with its model."""

    name: str
    version: str
    kind: Kind
    model: str | None
    """As pinned; null where no model is asked."""
    pin: Pin | None = None
    """What the model's id promises; null where no model is asked."""
    answered_by: tuple[AnsweredBy, ...] = ()
    temperature: float | None = absent_if(None, unless="pin")
    """As declared."""
    seed: int | None = absent_if(None, unless="pin")
    """As declared."""
    own_family: Count = absent_if(0)
    """Of a judge: answers of the night by a model of its own family, which judges prefer."""


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many traces have a value of a field."""

    value: str | None
    n: Count


@dataclass(frozen=True, slots=True)
class PastReport:
    """A report this one is compared with."""

    date: Day
    version: str | None


@dataclass(frozen=True, slots=True)
class CaseSet:
    """The regression cases that the catalog had."""

    n: Count
    version: str
    """A hash of their content."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the figures come from."""

    evaluators: tuple[UsedEvaluator, ...]
    traces: Mapping[str, tuple[ValueCount, ...]]
    """What made the traces, by field: model, prompt, commit, each of `versions`."""
    baseline: tuple[PastReport, ...]
    cases: CaseSet | None = absent_if(None)
    """The application's regression cases; null where it has none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The data that provenance is built from."""

    evaluators: tuple[Evaluator, ...]
    answering: tuple[Answering, ...]
    traces: tuple[TraceCount, ...]
    baseline: tuple[PastReport, ...]
    cases: CaseSet | None = None


def collect(night: NightData) -> Facts:
    """Reads the evaluators, which models answered, the traces, and the nights before."""
    history = read_rows(Rate, night.read_rows_before("rpt_rates"))
    nights = {row.date for row in history if row.date and row.date < night.date}
    return Facts(
        evaluators=tuple(night.evaluators),
        answering=read_answering(night.list_answering_models()),
        traces=tuple(read_rows(TraceCount, night.read_rows_tonight("rpt_provenance"))),
        baseline=tuple(PastReport(day, night.baseline.get(day)) for day in sorted(nights)),
        cases=CaseSet(*night.case_set) if night.case_set else None,
    )


def build(facts: Facts, parts: Parts) -> Provenance:
    """Lists evaluators by name, and values by how many traces have them."""
    del parts
    fields: dict[str, dict[str | None, int]] = {}
    for row in facts.traces:
        values = fields.setdefault(row.field, {})
        values[row.value] = values.get(row.value, 0) + row.n
    return Provenance(
        evaluators=tuple(
            describe_evaluator(evaluator, facts.answering, fields.get("model", {}))
            for evaluator in sorted(facts.evaluators, key=lambda e: (e.name, e.version))
        ),
        traces={
            name: tuple(
                ValueCount(value, n)
                for value, n in sorted(values.items(), key=lambda v: (-v[1], str(v[0])))
            )
            for name, values in sorted(fields.items())
        },
        baseline=facts.baseline,
        cases=facts.cases,
    )


def describe_evaluator(
    evaluator: Evaluator, rows: Iterable[Answering], models: Mapping[str | None, int]
) -> UsedEvaluator:
    """Returns an evaluator with its pinned model, the pin's class, and the models that answered.

    Args:
        evaluator: the evaluator.
        rows: which models answered its questions.
        models: the models that made the traces, with their traces.
    """
    name, version, kind = evaluator.name, evaluator.version, evaluator.kind
    if evaluator.pin is None:
        return UsedEvaluator(name=name, version=version, kind=kind, model=None)
    promise = classify(evaluator.pin)
    answers = [row for row in rows if row.evaluator == name]
    answers.sort(key=lambda row: (row.model, row.fingerprint or ""))
    judge, family = evaluator.judge, find_family(evaluator.pin.model)
    return UsedEvaluator(
        name=name,
        version=version,
        kind=kind,
        model=evaluator.pin.model,
        pin=Pin(cast("PinClass", type(promise).__name__.lower()), promise.reason),
        answered_by=tuple(AnsweredBy(row.model, row.fingerprint, row.n) for row in answers),
        temperature=judge.temperature if judge else None,
        seed=judge.seed if judge else None,
        own_family=sum(n for model, n in models.items() if family and find_family(model) == family),
    )


def build_for_refused(night: NightData) -> Provenance:
    """Returns an empty section: a refused night has no provenance."""
    del night
    return Provenance((), {}, ())


SECTION = Section[Facts, Provenance](
    name="provenance",
    about="Evaluator versions, what made the traces, and the reports it is compared with.",
    part=Provenance,
    collect=collect,
    build=build,
    empty=build_for_refused,
    shown_if_refused=True,
)
