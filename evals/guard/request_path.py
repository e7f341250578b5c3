"""The guard an application calls: checks a request or an answer, and decides what may leave.

Wrapping a function is `wrapping`'s, writing decisions down `decision_log`'s.
"""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.evaluators import registry, resolution
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import own_params
from evals.guard.budgets import BudgetedCheck, run_checks
from evals.guard.decision_log import DecisionLog
from evals.guard.decisions import Decision, GuardResult, apply_policy, merge_results
from evals.guard.rules import GuardedRequest, PreparedRule, prepare_rules
from evals.guard.wrapping import Function, wrap
from evals.records import Failure, Json
from evals.specs import Evaluator, TraceField, load_catalog

NO_GOLD_OR_LABELS = GoldAndLabels(Path(), {}, {})
Select = Callable[[PreparedRule], bool]


@dataclass(frozen=True)
class Guard:
    """The guardrails of one application, for its own request path."""

    rules: tuple[Evaluator, ...]
    """Evaluators, each under its guardrail's policy."""
    log: DecisionLog | None = None
    """Where decisions are written; None: nowhere."""
    references: GoldAndLabels = NO_GOLD_OR_LABELS
    """The catalog's folder, for checks that compare with files of it."""
    prepared: dict[frozenset[TraceField], tuple[PreparedRule, ...]] = field(
        default_factory=dict[frozenset[TraceField], tuple[PreparedRule, ...]],
        init=False,
        repr=False,
        compare=False,
    )
    """The rules that read one of the given fields, by these fields."""

    @classmethod
    def from_catalog(cls, path: str | Path, app: str, *, log: str | Path | None = None) -> Guard:
        """The guardrails a catalog folder declares for an application.

        Args:
            path: the catalog's folder.
            app: the application's name.
            log: a folder of the nightly inbox that decisions are written to, each with its
                request as a trace, redacted as the application declares; None: none is.

        Raises:
            CatalogError: the catalog, or one of these guardrails, is wrong.
        """
        catalog = load_catalog(Path(path))
        rules = resolution.resolve_guardrails(catalog, app)
        references = GoldAndLabels.of(catalog.root, ())
        written = None if log is None else DecisionLog(Path(log), app, catalog.app(app).redact)
        return cls(tuple(sorted(rules, key=lambda rule: rule.name)), written, references)

    def check(
        self,
        output: str | None = None,
        *,
        input: str | None = None,
        context: str | None = None,
        messages: Iterable[Mapping[str, Json]] = (),
        trace_id: str | None = None,
        session_id: str | None = None,
        fields: Mapping[str, Json] | None = None,
    ) -> Decision:
        """Decides what may leave the application; never raises for a check that fails.

        Args:
            output: the answer; without one, only what was asked is checked.
            input: what the user asked.
            context: the passages the answer should rest on.
            messages: the chat as sent, with its system prompt.
            trace_id: the request's id in the application's own traces; None: a new one.
            session_id: the conversation's id, for the log.
            fields: further fields of the trace that is logged, such as `model`.
        """
        request = self.build_request(output, input, context, messages, trace_id)
        decision = self.decide(request)
        self.write(request, decision, {"session_id": session_id, **(fields or {})})
        return decision

    def apply(
        self, output: str, *, input: str | None = None, context: str | None = None
    ) -> Decision:
        """Decides on an answer; the same as `check`."""
        return self.check(output, input=input, context=context)

    async def acheck(
        self,
        output: str | None = None,
        *,
        input: str | None = None,
        context: str | None = None,
        messages: Iterable[Mapping[str, Json]] = (),
        trace_id: str | None = None,
        session_id: str | None = None,
        fields: Mapping[str, Json] | None = None,
    ) -> Decision:
        """Decides in a thread, so that the event loop serves others meanwhile; as `check`."""
        decide = functools.partial(
            self.check,
            output,
            input=input,
            context=context,
            messages=messages,
            trace_id=trace_id,
            session_id=session_id,
            fields=fields,
        )
        return await asyncio.to_thread(decide)

    def protect(
        self,
        *,
        input: str | None = None,
        context: str | None = None,
        fallback: str | None = None,
    ) -> Callable[[Function], Function]:
        """Returns a decorator: what a function is asked is checked first, then its answer.

        Args:
            input: the parameter that holds the question; None: the first.
            context: the parameter that holds the passages, if any.
            fallback: what is returned where it is blocked; None: `Blocked` is raised.
        """
        return wrap(self, input=input, context=context, fallback=fallback)

    def warm_up(self) -> None:
        """Loads what the checks need, so that no request waits for it. Nothing is logged."""
        text = "The order 1234 was sent to ann@example.com on Monday, as she had asked."
        request = self.build_request(text, text, text, (), None)
        for prepared in self.prepare(request):
            prepared.evaluate(request)
            if prepared.policy.action == "redact":
                prepared.redact(request, text)
        if self.log:
            self.log.build_line(request, Decision("", text, ()), {})

    def build_request(
        self,
        output: str | None,
        input: str | None,
        context: str | None,
        messages: Iterable[Mapping[str, Json]],
        trace_id: str | None,
    ) -> GuardedRequest:
        """Builds a request of the texts that were given."""
        given: dict[TraceField, str | None] = {"input": input, "output": output, "context": context}
        texts: dict[TraceField, str] = {
            name: text for name, text in given.items() if text is not None
        }
        app = self.rules[0].app if self.rules else ""
        chat = tuple(dict(message) for message in messages)
        return GuardedRequest(app, trace_id or uuid.uuid4().hex, texts, chat)

    def prepare(self, request: GuardedRequest) -> tuple[PreparedRule, ...]:
        """Returns the rules that can check a request, prepared at the first one like it."""
        chat: tuple[TraceField, ...] = ("messages",) if request.messages else ()
        given: frozenset[TraceField] = frozenset((*request.texts, *chat))
        rules = self.prepared.get(given)
        if rules is None:
            rules = self.prepared[given] = prepare_rules(self.rules, given, self.references)
        return rules

    def decide(
        self,
        request: GuardedRequest,
        select: Select = lambda prepared: True,
        before: Iterable[GuardResult] = (),
    ) -> Decision:
        """Decides on a request; writes nothing.

        Args:
            request: the request.
            select: which rules are applied.
            before: results of other rules on the same request.
        """
        rules = [one for one in self.prepare(request) if select(one)]
        timed = run_checks(
            [
                BudgetedCheck(
                    functools.partial(one.evaluate, request), one.policy.latency_ms, one.running
                )
                for one in rules
            ]
        )
        results = {
            one.rule.name: apply_policy(
                one.policy, done.result, ms=done.ms, version=one.rule.version
            )
            for one, done in zip(rules, timed, strict=True)
        }
        texts = redact_texts(rules, results, request)
        every = merge_results(before, results.values())
        decision = Decision(request.trace_id, texts.get("output"), every, texts.get("input"))
        if decision.blocked:
            return Decision(request.trace_id, None, decision.results, decision.input)
        return decision

    def write(
        self, request: GuardedRequest, decision: Decision, fields: Mapping[str, Json]
    ) -> None:
        """Writes a decision to the log, if there is one."""
        if self.log:
            self.log.write(request, decision, fields)


def redact_texts(
    rules: Iterable[PreparedRule], results: dict[str, GuardResult], request: GuardedRequest
) -> dict[TraceField, str]:
    """Redacts a request's output and input; a rule that cannot is an error in its result."""
    texts = dict(request.texts)
    redacted: tuple[TraceField, ...] = ("output", "input")
    for one in rules:
        result = results[one.rule.name]
        if result.action != "redact":
            continue
        try:
            for name in redacted:
                if name in texts and name in one.rule.reads:
                    texts[name] = redact_one(one, request, name, texts[name])
        except Exception as error:  # its text may hold the request's
            failure = Failure("cannot-redact", type(error).__name__)
            results[one.rule.name] = apply_policy(
                one.policy, failure, ms=result.ms, version=result.version
            )
    return texts


def redact_one(one: PreparedRule, request: GuardedRequest, name: TraceField, text: str) -> str:
    """Returns one text of a request without what makes it fail."""
    if name == "output":
        redacted = one.redact(request, text)
    else:
        redacted = registry.type_of(one.rule).redact(text, own_params(one.rule))
    return text if redacted is None else redacted
