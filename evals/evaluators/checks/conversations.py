"""Checks of agents and conversations: what broke first, what was asked again, who was handed over.

With `subject: session` they read the steps and messages of all turns. Whether a goal that no tool
shows was reached is a question for a judge of sessions.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import Field

from evals.evaluators.checks.tool_calls import list_tool_calls, read_error, select_objects
from evals.evaluators.checks.tools import NO_STEPS
from evals.evaluators.code_checks import Examples, Params, Result, check, quoted
from evals.evaluators.normal_form import normalize_text
from evals.records import Json, JsonLike, Outcome, Skip, Trace

NO_MESSAGES = Skip("no-messages")
NUMBER = re.compile(r"\d+")
COMPARED_CHARS = 2000
"""Characters of a message that are compared."""
COMPARED_BACK = 20
"""Earlier questions that one is compared with."""
FOUND: JsonLike = {"kind": "tool", "name": "search", "output": "parcel 3381: at the depot"}
FAILED: JsonLike = {"kind": "tool", "name": "search", "error": "timeout after 10 s"}
HANDOFF = re.compile(r"^(?:hand[-_ ]?off|transfer)(?:[-_ ]+to)?[-_ :]+(.+)$", re.IGNORECASE)
"""Names of steps and tools by which agents hand over, such as `transfer_to_billing`."""


class GoalReached(Params):
    """Params of `goal_reached`."""

    tools: tuple[str, ...] = Field(
        min_length=1, description="the tools whose calls reach the goal, such as `refund_order`"
    )


@check(
    "goal_reached",
    reads=("steps", "messages"),
    behaviour=1,
    params=GoalReached,
    evaluates_unanswered=True,
    weak="a call that ended well may have done something else; ask a judge of sessions too",
    examples=Examples(
        params={"tools": ["search"]},
        passes={"steps": [FAILED, FOUND]},
        fails={"steps": [FOUND, FAILED]},
    ),
)
def goal_reached(trace: Trace, params: GoalReached, gold: Json) -> Result:
    """Each tool that reaches the goal was called, and its last call ended well; value is the share.

    A call whose result was not recorded counts as one that ended well.
    """
    calls = list_tool_calls(trace)
    if calls is None:
        return NO_STEPS
    last = {call.name: call for call in calls}
    problems = [
        f"{name} failed last: {last[name].error}" if name in last else f"{name} was not called"
        for name in params.tools
        if name not in last or last[name].error
    ]
    share = round(1 - len(problems) / len(params.tools), 4)
    return Outcome(not problems, share, quoted("; ".join(problems), 400) if problems else "")


class FailedSteps(Params):
    """Params of `no_failed_step`."""

    recovered: bool = Field(
        default=True, description="accept a step that failed and later ended well under its name"
    )


@check(
    "no_failed_step",
    reads=("steps",),
    behaviour=1,
    params=FailedSteps,
    evaluates_unanswered=True,
    examples=Examples(passes={"steps": [FAILED, FOUND]}, fails={"steps": [FOUND, FAILED]}),
)
def no_failed_step(trace: Trace, params: FailedSteps, gold: Json) -> Result:
    """No step ended in an error; names the first that went wrong, value is how many did."""
    steps = list(select_objects(trace.steps))
    if not steps:
        return NO_STEPS
    failed = [n for n, step in enumerate(steps) if read_error(step)]
    if params.recovered:
        ended_well = {name_task(step): n for n, step in enumerate(steps) if not read_error(step)}
        failed = [n for n in failed if ended_well.get(name_task(steps[n]), -1) < n]
    if not failed:
        return Outcome(passed=True, value=0.0)
    first = steps[failed[0]]
    turn = f" of turn {first['turn']}" if "turn" in first else ""
    words = f"step {failed[0] + 1} of {len(steps)}{turn} went wrong first"
    more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
    return Outcome(
        passed=False,
        value=float(len(failed)),
        explanation=quoted(f"{words}, {name_step(first)}: {read_error(first)}{more}", 400),
    )


def name_task(step: dict[str, Json]) -> str:
    """Names what a step does, by its kind and name; a step tried again has the same."""
    return json.dumps([step.get("kind"), step.get("name")], sort_keys=True)


def name_step(step: dict[str, Json]) -> str:
    """Names a step: by its name, or else its kind."""
    return str(step.get("name") or step.get("kind") or "step")


class AskedOnce(Params):
    """Params of `asked_once`."""

    similarity: float = Field(
        default=0.75,
        gt=0,
        le=1,
        description="the share of groups of three characters in common from which two questions "
        "are one; with other numbers they are two",
    )
    min_chars: int = Field(
        default=15, ge=1, description="shorter messages, such as `yes`, are no question"
    )


@check(
    "asked_once",
    reads=("messages",),
    behaviour=1,
    params=AskedOnce,
    evaluates_unanswered=True,
    weak="it compares the words alone: a question in other words is not found",
    examples=Examples(
        passes={
            "messages": [
                {"role": "user", "content": "Where is my parcel 3381?"},
                {"role": "assistant", "content": "At the depot."},
                {"role": "user", "content": "And when does it arrive?"},
            ]
        },
        fails={
            "messages": [
                {"role": "user", "content": "Where is my parcel 3381?"},
                {"role": "assistant", "content": "How can I help?"},
                {"role": "user", "content": "where is my parcel 3381"},
            ]
        },
    ),
)
def asked_once(trace: Trace, params: AskedOnce, gold: Json) -> Result:
    """The user asks nothing a second time; value is how many questions come again."""
    asked = [text for text in list_questions(trace.messages) if len(text) >= params.min_chars]
    if not asked:
        return NO_MESSAGES
    again = [text for n, text in enumerate(asked) if is_asked_before(asked, n, params.similarity)]
    return Outcome(not again, float(len(again)), quoted("; ".join(again[:3]), 300))


def list_questions(messages: Sequence[Json]) -> Iterator[str]:
    """Yields the texts of the user's messages in one normal form."""
    for message in select_objects(messages):
        content = message.get("content")
        if message.get("role") == "user" and isinstance(content, str):
            yield normalize_text(content[:COMPARED_CHARS]).rstrip("?!. ")


def is_asked_before(asked: Sequence[str], place: int, similarity: float) -> bool:
    """Whether a question is like one of the twenty before it."""
    before = asked[max(0, place - COMPARED_BACK) : place]
    return any(compare_texts(asked[place], text) >= similarity for text in before)


def compare_texts(one: str, other: str) -> float:
    """Returns the share of character trigrams in common (Dice), 0 where the numbers differ."""
    if Counter(NUMBER.findall(one)) != Counter(NUMBER.findall(other)):
        return 0.0
    first, second = count_trigrams(one), count_trigrams(other)
    return 2 * (first & second).total() / (first.total() + second.total())


def count_trigrams(text: str) -> Counter[str]:
    """Counts the groups of three characters, at the ends with a space."""
    padded = f" {text} "
    return Counter(padded[n : n + 3] for n in range(len(padded) - 2))


class Handoffs(Params):
    """Params of `handoffs`."""

    most: int = Field(default=2, ge=0, description="the most handoffs")
    allowed: tuple[str, ...] = Field(
        default=(), description="agents that may take over; empty: any"
    )
    back: bool = Field(default=False, description="accept a handoff to an agent that had it before")


class Handoff(NamedTuple):
    """An agent that takes over."""

    to: str
    step: int
    """From 1."""


@check(
    "handoffs",
    reads=("steps",),
    behaviour=1,
    params=Handoffs,
    evaluates_unanswered=True,
    examples=Examples(
        params={"allowed": ["billing"]},
        passes={"steps": [{"kind": "tool", "name": "transfer_to_billing"}]},
        fails={"steps": [{"kind": "chain", "name": "handoff to sales"}]},
    ),
)
def handoffs(trace: Trace, params: Handoffs, gold: Json) -> Result:
    """Agents hand over seldom, to those that may take over, and not in circles.

    Handoffs are steps of the kind `handoff`, and steps and tools named like `handoff to billing`
    or `transfer_to_billing`. Value is their number.
    """
    if not trace.steps:
        return NO_STEPS
    made = list(list_handoffs(trace.steps))
    problems = [
        f"step {one.step} hands over to {one.to}, which may not take over"
        for one in made
        if params.allowed and one.to not in params.allowed
    ]
    if not params.back:
        first = {one.to: one.step for one in reversed(made)}
        problems += [
            f"step {one.step} hands back to {one.to}" for one in made if one.step > first[one.to]
        ]
    if len(made) > params.most:
        problems.append(f"{len(made)} handoffs, at most {params.most}")
    return Outcome(not problems, float(len(made)), quoted("; ".join(problems[:5]), 400))


def list_handoffs(steps: Sequence[Json]) -> Iterator[Handoff]:
    """Yields the handoffs among some steps, in order."""
    for number, step in enumerate(select_objects(steps), start=1):
        name = str(step.get("name") or "")
        named = HANDOFF.match(name[:200])
        if named or step.get("kind") == "handoff":
            yield Handoff((named[1] if named else name).strip(), number)
