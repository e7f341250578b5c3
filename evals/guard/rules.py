"""The guardrails of one application, prepared for requests that have certain fields.

Policies are applied in `decisions`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from evals.evaluators import registry
from evals.evaluators.code_checks import TextCheck, fields_of
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByCode, Result, own_params
from evals.guard.budgets import MOST_RUNNING
from evals.records import Failure, Json, Skip, Trace
from evals.specs import Evaluator, Guardrail, TraceField

ASKS_A_MODEL = Skip("asks-a-model")
"""A guardrail over a judge is evaluated at night: a request does not wait for a model."""


@dataclass
class GuardedRequest:
    """The texts of one request that a guard checks."""

    app: str
    trace_id: str
    texts: dict[TraceField, str]
    """The given texts by field."""
    messages: tuple[Json, ...] = ()
    """The chat as sent: dicts with `role` and `content`."""
    ts: datetime = field(default_factory=lambda: datetime.now(UTC))

    @functools.cached_property
    def trace(self) -> Trace:
        """The texts as a trace, for checks of more than texts."""
        return self.with_output(self.texts.get("output", ""))

    def with_output(self, output: str) -> Trace:
        """Returns the texts as a trace with another output."""
        given = self.texts.get("input", ""), self.texts.get("context")
        return Trace(
            self.trace_id,
            self.ts,
            self.app,
            output,
            given[0],
            context=given[1],
            messages=self.messages,
        )


EvaluateRequest = Callable[[GuardedRequest], Result]


@dataclass(frozen=True)
class PreparedRule:
    """A rule with its params parsed, for requests with certain fields."""

    rule: Evaluator
    evaluate: EvaluateRequest
    running: threading.Semaphore
    references: GoldAndLabels

    @property
    def policy(self) -> Guardrail:
        """The policy over its evaluator."""
        assert self.rule.guardrail is not None  # noqa: S101  `Guard` holds no other
        return self.rule.guardrail

    def redact(self, request: GuardedRequest, output: str) -> str | None:
        """Removes from an output what makes it fail; None where that cannot be removed."""
        evaluator = registry.type_of(self.rule)
        return evaluator.redact_output(self.rule, request.with_output(output), self.references)


def prepare_rules(
    rules: Iterable[Evaluator], given: frozenset[TraceField], references: GoldAndLabels
) -> tuple[PreparedRule, ...]:
    """Prepares the rules that can check a request with the given fields."""
    return tuple(
        PreparedRule(rule, prepare_rule(rule, reads, references), running_of(rule), references)
        for rule in rules
        if (reads := select_reads(rule, given))
    )


def select_reads(rule: Evaluator, given: frozenset[TraceField]) -> tuple[TraceField, ...]:
    """Returns the given fields that a rule checks, in its order; none where it needs another.

    A check of texts takes those there are. Any other compares the output with the rest, or reads
    no output at all.
    """
    compares = not isinstance(registry.type_of(rule), TextCheck) and "output" in rule.reads
    if compares and "output" not in given:
        return ()
    return tuple([name for name in rule.reads if name in given])


@functools.cache
def running_by_version(name: str, version: str) -> threading.Semaphore:
    """Returns what counts the runs of a rule in this process."""
    del name, version
    return threading.Semaphore(MOST_RUNNING)


def running_of(rule: Evaluator) -> threading.Semaphore:
    """Returns what counts a rule's runs, whatever fields they read."""
    return running_by_version(f"{rule.app}/{rule.name}", rule.version)


def prepare_rule(
    rule: Evaluator, reads: tuple[TraceField, ...], references: GoldAndLabels
) -> EvaluateRequest:
    """Parses a rule's params once, and returns the function that evaluates a request."""
    evaluator = registry.type_of(rule)
    if not isinstance(evaluator, EvaluatorByCode):
        return lambda request: ASKS_A_MODEL
    if reads != rule.reads:
        rule = rule.model_copy(update={"reads": reads})

    def fail(error: Exception) -> Failure:  # the error's text may hold the request's
        return Failure("check-error", f"{evaluator.name}: {type(error).__name__}")

    try:
        if isinstance(evaluator, TextCheck):
            return prepare_text_check(cast("TextCheck[Any]", evaluator), rule)
        evaluate_trace = evaluator.evaluate_request(rule, references)
    except Exception as error:
        failure = fail(error)
        return lambda request: failure

    def evaluate(request: GuardedRequest) -> Result:
        try:
            (finding,) = evaluate_trace(request.trace)
        except Exception as error:
            return fail(error)
        return finding.result

    return evaluate


def prepare_text_check(check: TextCheck[Any], rule: Evaluator) -> EvaluateRequest:
    """Parses a text check's params; it reads the request's texts without a trace of them."""
    params, reads = check.params.model_validate(own_params(rule)), rule.reads
    if "messages" in reads:
        return lambda request: check.call_on_texts(fields_of(request.trace, reads), params)
    return lambda request: check.call_on_texts(
        {name: request.texts[name] for name in reads}, params
    )
