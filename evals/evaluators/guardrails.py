"""Guardrails: a policy over an evaluator, and the guard an application calls.

The nightly run and the request path use the same evaluators, which are in other modules.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from evals.evaluators import registry, resolution
from evals.evaluators.code_checks import TextCheck
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByCode, Result, own_params
from evals.records import Failure, GuardVerdict, Score, Skip, Trace
from evals.specs import Evaluator, Guardrail, TraceField, load_catalog

__all__ = ["Guard", "GuardResult", "Guarded", "judge_score"]

NO_GOLD_OR_LABELS = GoldAndLabels(Path(), {}, {})
NO_TIME = datetime.fromtimestamp(0, UTC)
ASKS_A_MODEL = Skip("asks-a-model")
"""A guardrail over a judge is evaluated at night: a request does not wait for a model."""


@dataclass
class GuardedRequest:
    """The texts of one request that a guard checks."""

    app: str
    texts: dict[str, str]
    """The given texts by field."""

    @functools.cached_property
    def trace(self) -> Trace:
        """The texts as a trace, for checks of more than texts."""
        texts = self.texts
        output, context = texts.get("output", ""), texts.get("context")
        return Trace("", NO_TIME, self.app, output, texts.get("input", ""), context=context)


EvaluateRequest = Callable[[GuardedRequest], Result]


class PreparedRule(NamedTuple):
    """A rule with its params parsed, for requests with certain fields."""

    policy: Guardrail
    evaluate: EvaluateRequest


def error_action(spec: Guardrail) -> str:
    """Returns the action of a guardrail whose check failed; `none` where it fails open."""
    action = spec.on_error or str(spec.params.get("on_error", "flag"))
    return "none" if action == "allow" else action


def judge_score(score: Score, spec: Guardrail) -> GuardVerdict | None:
    """Applies a guardrail's policy to a score of the nightly run.

    Returns:
        None where the check was skipped. An error never trips the guardrail: it takes the
        `on_error` action, and its explanation begins with `not checked`.
    """
    if score.status == "skipped":
        return None
    tripped = score.status == "scored" and score.verdict == "fail"
    action, explanation = (spec.action if tripped else "none"), score.explanation
    if score.status == "error":
        action, explanation = error_action(spec), f"not checked: {score.code}"
    return GuardVerdict(
        trace_id=score.trace_id,
        night=score.night,
        app=score.app,
        guardrail=spec.guardrail,
        evaluator_version=score.evaluator_version,
        tripped=tripped,
        action=action,
        severity=spec.severity,
        explanation=explanation,
        subject=score.subject,
        subject_id=score.subject_id,
        origin=score.origin,
    )


class GuardResult(NamedTuple):
    """What one guardrail decided on one request."""

    guardrail: str
    tripped: bool
    action: str
    """`none`, `flag`, `redact` or `block`."""
    severity: str
    explanation: str
    error: str | None = None
    """Why it could not be checked, or did not apply (`skipped: …`); null where it was checked."""


class Guarded(NamedTuple):
    """An output as it may leave the application."""

    text: str | None
    """Null where it is blocked."""
    blocked: bool
    results: list[GuardResult]


@dataclass(frozen=True)
class Guard:
    """The guardrails of one application, for its own request path."""

    rules: tuple[Evaluator, ...]
    """Evaluators, each under its guardrail's policy."""
    prepared: dict[tuple[str, ...], list[PreparedRule]] = field(
        default_factory=dict[tuple[str, ...], list[PreparedRule]],
        init=False,
        repr=False,
        compare=False,
    )
    """The rules that read one of the given fields, by these fields."""

    @classmethod
    def from_catalog(cls, path: str | Path, app: str) -> Guard:
        """The guardrails a catalog folder declares for an application.

        Raises:
            CatalogError: the catalog, or one of these guardrails, is wrong.
        """
        rules = resolution.resolve_guardrails(load_catalog(Path(path)), app)
        return cls(tuple(sorted(rules, key=lambda rule: rule.name)))

    def check(
        self, *, input: str | None = None, output: str | None = None, context: str | None = None
    ) -> list[GuardResult]:
        """Returns one result per guardrail that reads a given text; never raises for a text."""
        given = {"input": input, "output": output, "context": context}
        texts = {name: text for name, text in given.items() if text is not None}
        request = GuardedRequest(self.rules[0].app if self.rules else "", texts)
        return [
            apply_policy(policy, run_within(policy.latency_ms, evaluate, request))
            for policy, evaluate in self.prepare_rules(tuple(texts))
        ]

    def prepare_rules(self, given: tuple[str, ...]) -> list[PreparedRule]:
        """Returns the rules that read one of the given fields, prepared at the first request."""
        rules = self.prepared.get(given)
        if rules is None:
            rules = self.prepared[given] = [
                PreparedRule(policy_of(rule), prepare_rule(rule, reads))
                for rule in self.rules
                if (reads := select_reads(rule, given))
            ]
        return rules

    def apply(
        self, output: str, *, input: str | None = None, context: str | None = None
    ) -> Guarded:
        """Returns the output as the policies allow it: unchanged, redacted, or blocked."""
        results = self.check(input=input, output=output, context=context)
        if any(result.action == "block" for result in results):
            return Guarded(None, True, results)
        redacting = {result.guardrail for result in results if result.action == "redact"}
        for rule in self.rules:
            if rule.name in redacting and "output" in rule.reads:
                redacted = registry.type_of(rule).redact(output, own_params(rule))
                output = output if redacted is None else redacted
        return Guarded(output, False, results)


def policy_of(rule: Evaluator) -> Guardrail:
    """Returns the policy over an evaluator."""
    assert rule.guardrail is not None  # noqa: S101  `Guard` holds no other
    return rule.guardrail


def select_reads(rule: Evaluator, given: tuple[str, ...]) -> tuple[TraceField, ...]:
    """Returns the given fields that a rule reads, in its order."""
    return tuple([name for name in rule.reads if name in given])


def prepare_rule(rule: Evaluator, reads: tuple[TraceField, ...]) -> EvaluateRequest:
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
        evaluate_trace = evaluator.evaluate(rule, NO_GOLD_OR_LABELS)
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
    return lambda request: check.call_on_texts(
        {name: request.texts[name] for name in reads}, params
    )


def run_within(
    latency_ms: float | None, evaluate: EvaluateRequest, request: GuardedRequest
) -> Result:
    """Returns a Failure where the evaluation takes longer, and leaves it running."""
    if latency_ms is None:
        return evaluate(request)
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()
    threading.Thread(target=lambda: results.put(evaluate(request)), daemon=True).start()
    try:
        return results.get(timeout=latency_ms / 1000)
    except queue.Empty:
        return Failure("too-slow", f"not done within {latency_ms:g} ms", retryable=True)


def apply_policy(spec: Guardrail, result: Result) -> GuardResult:
    """Applies a guardrail's policy to a check's result."""
    if isinstance(result, Failure):
        error = f"{result.code}: {result.message}"
        return GuardResult(spec.guardrail, False, error_action(spec), spec.severity, "", error)
    if isinstance(result, Skip):
        skipped = f"skipped: {result.reason}"
        return GuardResult(spec.guardrail, False, "none", spec.severity, "", skipped)
    action = "none" if result.passed else spec.action
    explanation = result.explanation
    return GuardResult(spec.guardrail, not result.passed, action, spec.severity, explanation)
