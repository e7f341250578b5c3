"""Checks of the request itself: how it ended, how long it took, and what it cost.

What was answered is for the other families.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from evals.evaluators.checks.tool_calls import find_errors
from evals.evaluators.code_checks import Examples, Params, Result, check, quoted
from evals.records import Json, Outcome, Skip, Trace


@check(
    "answered",
    reads=("status",),
    behaviour=1,
    examples=Examples(
        passes={"status": "ok", "output": "It arrives on Friday."},
        fails={"status": "cut_off", "output": "It arrives on"},
    ),
)
def is_answered(trace: Trace, params: Params, gold: Json) -> Result:
    """The request was answered, and to its end.

    An answer that was cut off fails, since its user did not get what was asked for; the other
    evaluators still read what was delivered of it.
    """
    return Outcome(trace.status == "ok", explanation=UNANSWERED.get(trace.status, ""))


UNANSWERED = {
    "error": "the request ended in an error",
    "timeout": "the request timed out",
    "cut_off": "the answer was cut off",
    "filtered": "a content filter stopped the answer",
    "empty": "the answer is empty",
}


class NoError(Params):
    """Params of `no_error`."""

    steps: bool = Field(default=True, description="an error of any step counts too")


@check(
    "no_error",
    reads=("status", "steps"),
    behaviour=1,
    params=NoError,
    examples=Examples(
        passes={"status": "ok", "output": "It arrives on Friday."},
        fails={
            "output": "I could not look that up.",
            "steps": [{"kind": "tool", "name": "find_parcel", "error": "HTTP 503"}],
        },
    ),
)
def no_error(trace: Trace, params: NoError, gold: Json) -> Result:
    """Neither the request nor a step of it ended in an error or a timeout.

    An answer that was cut off, filtered or empty is the matter of `answered`.
    """
    problems = [UNANSWERED[trace.status]] if trace.status in ("error", "timeout") else []
    problems += find_errors(trace.steps) if params.steps else []
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Outcome(not problems, explanation=quoted("; ".join(problems[:3]), 800) + more)


class Latency(Params):
    """Params of `latency`."""

    max_ms: float = Field(gt=0, description="the longest a request may take, in milliseconds")


@check(
    "latency",
    reads=("latency_ms",),
    behaviour=1,
    params=Latency,
    examples=Examples(
        params={"max_ms": 3000}, passes={"latency_ms": 850.0}, fails={"latency_ms": 4200.0}
    ),
)
def latency(trace: Trace, params: Latency, gold: Json) -> Result:
    """The request took no longer than a limit; value is the milliseconds."""
    took = trace.latency_ms
    if took is None:
        return Skip("no-latency")
    slow = took > params.max_ms
    words = f"took {took:,.0f} ms, at most {params.max_ms:,.0f}" if slow else ""
    return Outcome(not slow, took, words)


class Tokens(Params):
    """Params of `tokens`."""

    of: Literal["output", "input", "both"] = "output"
    min: int | None = Field(default=None, ge=0, description="the fewest")
    max: int | None = Field(default=None, ge=0, description="the most")

    @model_validator(mode="after")
    def check_limits(self) -> Tokens:
        """Accepts limits of which at least one is set, in their order."""
        refuse_wrong_limits(self.min, self.max)
        return self


def refuse_wrong_limits(low: float | None, high: float | None) -> None:
    """Raises a ValueError where no limit is set, or the lower one is above the upper."""
    if low is None and high is None:
        raise ValueError("set `min`, `max` or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"`min` {low:g} is above `max` {high:g}")


def is_within(number: float, low: float | None, high: float | None) -> bool:
    """Whether a number is between two limits, each of which may be absent."""
    return (low is None or number >= low) and (high is None or number <= high)


def describe_limits(low: float | None, high: float | None) -> str:
    """Describes limits in words."""
    words = [f"at least {low:,g}"] if low is not None else []
    words += [f"at most {high:,g}"] if high is not None else []
    return " and ".join(words)


@check(
    "tokens",
    reads=("tokens_in", "tokens_out"),
    behaviour=1,
    params=Tokens,
    examples=Examples(params={"max": 500}, passes={"tokens_out": 120}, fails={"tokens_out": 900}),
)
def tokens(trace: Trace, params: Tokens, gold: Json) -> Result:
    """The tokens that were read or written are within limits; value is their number."""
    counts = {"output": (trace.tokens_out,), "input": (trace.tokens_in,)}
    used = counts.get(params.of, (trace.tokens_in, trace.tokens_out))
    if None in used:
        return Skip("no-token-count")
    n = sum(count for count in used if count is not None)
    if is_within(n, params.min, params.max):
        return Outcome(True, float(n))
    limits = describe_limits(params.min, params.max)
    return Outcome(False, float(n), f"{n:,} tokens, expected {limits}")


class Cost(Params):
    """Params of `cost`."""

    max_usd: float = Field(gt=0, description="the most a request may cost, in US dollars")


@check(
    "cost",
    reads=("cost_usd",),
    behaviour=1,
    params=Cost,
    examples=Examples(
        params={"max_usd": 0.01}, passes={"cost_usd": 0.004}, fails={"cost_usd": 0.03}
    ),
)
def cost(trace: Trace, params: Cost, gold: Json) -> Result:
    """The request cost no more than a limit; value is the dollars."""
    spent = trace.cost_usd
    if spent is None:
        return Skip("no-cost")
    dear = spent > params.max_usd
    return Outcome(not dear, spent, f"cost ${spent:g}, at most ${params.max_usd:g}" if dear else "")
