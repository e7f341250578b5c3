"""A check by a provider's moderation endpoint: asked in the request path, read back at night.

A night makes no such call. It reads what was answered from the trace's `metadata.guard`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from evals.evaluators.code_checks import fields_of
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    Finding,
    Params,
    Result,
    WrongDeclaration,
    own_params,
)
from evals.models.protocol import ModelError, Unavailable
from evals.records import Failure, Json, Outcome, Skip, Trace, digest
from evals.specs import Evaluator, ModelPin, TraceField

NOT_ASKED = Skip("not-asked-inline")


class Moderation(Params):
    """Params of `moderation`."""

    model: str = Field(
        description="a pin in `models.yaml`, such as of `omni-moderation-2024-09-26`; its "
        "`base_url` may be any server with `/moderations`"
    )
    categories: tuple[str, ...] = Field(
        default=(), description="those that count; empty: whatever the endpoint flags"
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="the score above which a category counts; null: the "
        "endpoint's own"
    )  # fmt: skip


@dataclass(frozen=True)
class ModerationCheck(EvaluatorByCode):
    """Asks a provider's moderation endpoint."""

    name: str = "moderation"
    kind: str = "assertion"
    reads: tuple[TraceField, ...] = ("output",)
    params: type[Moderation] = Moderation
    behaviour: int = 1

    def describe(self) -> str:
        """Returns when a text passes."""
        return "A provider's moderation endpoint, asked while the request waits, flags nothing."

    def configure(self, declared: Declaration) -> Configuration:
        """Finds the pin; its model is part of the version."""
        name = str(declared.params.get("model"))
        pin = declared.catalog.models.get(name)
        if pin is None:
            known = ", ".join(sorted(declared.catalog.models)) or "none"
            problem = f"no model {name!r} in models.yaml; known: {known}"
            raise WrongDeclaration(("params", "model"), problem)
        params = dict(declared.params)
        parts = {
            "check": self.name,
            "behaviour": str(self.behaviour),
            "params": digest(params),
            "model": digest([pin.provider, pin.model]),
        }
        return Configuration(declared.reads or self.reads, parts, params, pin=pin)

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Reads what the endpoint answered when the request was made."""
        return lambda trace: (Finding(read_recorded(evaluator, trace)),)

    def evaluate_request(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Asks the endpoint."""
        params = self.params.model_validate(own_params(evaluator))
        assert evaluator.pin is not None  # noqa: S101  `configure` found it
        ask = functools.partial(ask_about, evaluator.pin, params, evaluator.reads)
        return lambda trace: (Finding(ask(trace)),)


def ask_about(
    pin: ModelPin, params: Moderation, reads: tuple[TraceField, ...], trace: Trace
) -> Result:
    """Asks the endpoint about a trace's texts, as one."""
    from evals.models.moderation import moderate

    try:
        answer = moderate(pin, "\n\n".join(fields_of(trace, reads).values()))
    except ModelError as error:
        return Failure(error.code, pin.name, retryable=True)
    except Unavailable as error:
        return Failure(error.reason, pin.name, retryable=True)
    scores = {
        name: score
        for name, score in answer.scores.items()
        if not params.categories or name in params.categories
    }
    high = find_high(scores, answer.flagged, params)
    value = round(max(scores.values(), default=0.0), 4)
    return Outcome(not high, value, ", ".join(high[:5]))


def find_high(scores: Mapping[str, float], flagged: bool, params: Moderation) -> list[str]:
    """Returns the categories that count, the highest score first; none where nothing does."""
    limit = params.threshold
    if limit is None:
        limit = 0.5 if params.categories else 0.0
        if not params.categories and not flagged:
            return []
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    high = [f"{name} {score:.2f}" for name, score in ordered if score > limit]
    return high[:1] if params.threshold is None and not params.categories else high


def read_recorded(evaluator: Evaluator, trace: Trace) -> Result:
    """Returns what the guard wrote into a trace."""
    for row in recorded_results(trace):
        same = row.get("guardrail") == evaluator.name and row.get("version") == evaluator.version
        if not same or row.get("error"):
            continue
        value, explanation = row.get("value"), row.get("explanation")
        return Outcome(
            not row.get("tripped"),
            float(value) if isinstance(value, int | float) else None,
            explanation if isinstance(explanation, str) else "",
        )
    return NOT_ASKED


def recorded_results(trace: Trace) -> Iterator[Mapping[str, Json]]:
    """Yields the guardrails' results in a trace's metadata."""
    guard = trace.metadata.get("guard")
    results = guard.get("results") if isinstance(guard, dict) else None
    for row in results if isinstance(results, list) else ():
        if isinstance(row, dict):
            yield row


moderation = ModerationCheck()
