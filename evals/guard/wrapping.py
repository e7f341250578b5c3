"""Wraps a function with a guard: its question is checked before it runs, its answer after.

Both together are one decision.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from evals.guard.decisions import Blocked, Decision, GuardResult
from evals.guard.rules import GuardedRequest, PreparedRule
from evals.records import Json

Function = TypeVar("Function", bound=Callable[..., Any])


class Decider(Protocol):
    """What a wrapped function is checked by: a guard."""

    def build_request(
        self,
        output: str | None,
        input: str | None,
        context: str | None,
        messages: Iterable[Mapping[str, Json]],
        trace_id: str | None,
    ) -> GuardedRequest:
        """Builds a request of the texts that were given."""
        ...

    def decide(
        self,
        request: GuardedRequest,
        select: Callable[[PreparedRule], bool] = ...,
        before: Iterable[GuardResult] = (),
    ) -> Decision:
        """Decides on a request; writes nothing."""
        ...

    def write(
        self, request: GuardedRequest, decision: Decision, fields: Mapping[str, Json]
    ) -> None:
        """Writes a decision to the log, if there is one."""
        ...


def reads_output(prepared: PreparedRule) -> bool:
    """Whether a rule is about the answer."""
    return "output" in prepared.rule.reads


def read_text(arguments: inspect.BoundArguments, name: str) -> str | None:
    """Returns a text among a call's arguments; None where it has none.

    Raises:
        TypeError: it is something else, which no guardrail would check.
    """
    value = arguments.arguments.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(
        f"{name!r} is a {type(value).__name__}, not a str that guardrails can check; name the "
        "parameter with the text in `protect(input=…, context=…)`, or call `guard.check`"
    )


class GuardedCall:
    """One call of a wrapped function."""

    def __init__(
        self, guard: Decider, arguments: inspect.BoundArguments, input: str, context: str | None
    ) -> None:
        self.guard, self.arguments, self.input, self.context = guard, arguments, input, context
        self.question = read_text(arguments, input)
        self.passages = read_text(arguments, context) if context else None
        self.asked = guard.build_request(None, self.question, self.passages, (), None)
        self.before: Decision | None = None

    def check_question(self) -> bool:
        """Checks what was asked; False where it is blocked. A redacted question is passed on."""
        self.before = self.guard.decide(self.asked)
        if self.before.blocked:
            self.guard.write(self.asked, self.before, {})
            return False
        if self.question is not None:
            self.question = self.arguments.arguments[self.input] = self.before.input
        return True

    def check_answer(self, answer: object) -> Decision:
        """Checks the answer, and writes the decision on both.

        Raises:
            TypeError: the function did not return a text.
        """
        if not isinstance(answer, str):
            raise TypeError(f"a guarded function returns a str, not {type(answer).__name__}")
        about = (self.question, self.passages, (), self.asked.trace_id)
        request = self.guard.build_request(answer, *about)
        before = self.before.results if self.before else ()
        decision = self.guard.decide(request, reads_output, before)
        self.guard.write(request, decision, {})
        return decision


def give(decision: Decision | None, fallback: str | None) -> str:
    """Returns what may leave the application.

    Raises:
        Blocked: nothing may, and there is no fallback.
    """
    if decision is not None and decision.text is not None:
        return decision.text
    if fallback is None and decision is not None:
        raise Blocked(decision)
    return fallback or ""


def wrap(
    guard: Decider, *, input: str | None, context: str | None, fallback: str | None
) -> Callable[[Function], Function]:
    """Returns a decorator for plain and for async functions.

    Raises:
        ValueError: the function has no such parameter.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        question = input or next(iter(signature.parameters), "")
        for name in filter(None, (question, context)):
            if name not in signature.parameters:
                listed = ", ".join(signature.parameters) or "none"
                raise ValueError(f"{function.__name__} has no parameter {name!r}; it has {listed}")

        def begin(*args: Any, **kwargs: Any) -> GuardedCall:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return GuardedCall(guard, bound, question, context)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> str:
            one = begin(*args, **kwargs)
            if not one.check_question():
                return give(one.before, fallback)
            answer = function(*one.arguments.args, **one.arguments.kwargs)
            return give(one.check_answer(answer), fallback)

        @functools.wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> str:
            one = begin(*args, **kwargs)
            if not await asyncio.to_thread(one.check_question):
                return give(one.before, fallback)
            answer = await function(*one.arguments.args, **one.arguments.kwargs)
            return give(await asyncio.to_thread(one.check_answer, answer), fallback)

        return cast("Function", acall if inspect.iscoroutinefunction(function) else call)

    return decorate
