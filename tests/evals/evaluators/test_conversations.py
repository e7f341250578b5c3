"""Checks of agents and conversations."""

from __future__ import annotations

from typing import Any

import pytest

from evals.records import Outcome, Skip
from tests.evals.evaluators.checks import run_check

OK = {"kind": "tool", "name": "search", "output": "found"}
BAD = {"kind": "tool", "name": "search", "error": "timeout"}
PAID = {"kind": "tool", "name": "pay", "error": "declined", "turn": 2}


def user(*texts: str) -> tuple[dict[str, str], ...]:
    """Returns messages of a user."""
    return tuple({"role": "user", "content": text} for text in texts)


def judge(name: str, params: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Runs a check on a trace with these fields."""
    return run_check(name, "", params or {}, **fields)


@pytest.mark.parametrize(
    ("steps", "params", "failed"),
    [
        ((OK, OK), {}, 0),
        ((BAD, OK), {}, 0),
        ((BAD, OK), {"recovered": False}, 1),
        ((OK, BAD, PAID), {}, 2),
    ],
)
def test_steps_that_went_wrong_are_counted(
    steps: tuple[Any, ...], params: dict[str, Any], failed: int
) -> None:
    """A step that was tried again and ended well is no failure, unless it is to count."""
    result = judge("no_failed_step", params, steps=steps)
    assert (result.passed, result.value) == (not failed, failed)


def test_the_first_step_that_went_wrong_is_named() -> None:
    """With its place, its turn where it is known, its name and its error."""
    result = judge("no_failed_step", steps=(OK, PAID, BAD))
    assert result.explanation == "step 2 of 3 of turn 2 went wrong first, pay: declined (1 more)"


@pytest.mark.parametrize(
    ("texts", "again"),
    [
        (("Where is my parcel 3381?", "When does it arrive today?"), 0),
        (("Where is my parcel 3381?", "WHERE is my parcel 3381 ??"), 1),
        (("Where is my parcel 3381?", "Thanks", "Where's my parcel 3381"), 1),
        (("Where is my parcel 3381?", "Where is my parcel 9022?"), 0),
        (("yes", "yes", "Where is my parcel?"), 0),
    ],
)
def test_a_question_that_comes_again_fails(texts: tuple[str, ...], again: int) -> None:
    """Case, spaces and marks aside; short answers are no questions."""
    result = judge("asked_once", messages=user(*texts))
    assert (result.passed, result.value) == (not again, again)


@pytest.mark.parametrize(
    ("names", "params", "words"),
    [
        (("transfer_to_billing", "handoff to sales"), {}, ""),
        (
            ("handoff to billing", "handoff to sales", "handoff to billing"),
            {"most": 9},
            "step 3 hands back to billing",
        ),
        (("handoff to a", "handoff to b", "handoff to c"), {}, "3 handoffs, at most 2"),
        (
            ("handoff to sales",),
            {"allowed": ["billing"]},
            "step 1 hands over to sales, which may not take over",
        ),
        (("search", "transfer"), {"most": 0}, ""),
    ],
)
def test_handoffs_are_bounded(names: tuple[str, ...], params: dict[str, Any], words: str) -> None:
    """Too many, to an agent that may not, or back to one that had it, each with its step."""
    result = judge("handoffs", params, steps=tuple({"kind": "tool", "name": n} for n in names))
    assert result == Outcome(not words, result.value, words)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("no_failed_step", {"steps": ("text",)}),
        ("handoffs", {}),
        ("asked_once", {"messages": ({"role": "user", "content": None}, "text", {"role": "tool"})}),
    ],
)
def test_what_is_not_recorded_is_skipped(name: str, fields: dict[str, Any]) -> None:
    """A trace without steps or without questions has no verdict."""
    assert isinstance(judge(name, **fields), Skip)


@pytest.mark.parametrize(
    ("steps", "share", "words"),
    [
        ((OK, {**PAID, "error": None}), 1.0, ""),
        ((BAD, OK, PAID), 0.5, "pay failed last: declined"),
        ((OK, BAD), 0.0, "search failed last: timeout; pay was not called"),
    ],
)
def test_a_goal_is_reached_by_the_last_call_of_each_tool(
    steps: tuple[Any, ...], share: float, words: str
) -> None:
    """A call that failed and was made again reached it; without steps there is nothing to see."""
    result = judge("goal_reached", {"tools": ["search", "pay"]}, steps=steps)
    assert (result.passed, result.value, result.explanation) == (not words, share, words)
    assert isinstance(judge("goal_reached", {"tools": ["pay"]}), Skip)
