"""Promises of a plan in the terminal: a guess is called one, and a short budget is told."""

from __future__ import annotations

from typing import Any

from evals.calls.day_budget import BudgetLeft
from evals.calls.requests import CallsResult
from evals.records import Skip
from evals.runs.plan import PlannedNight
from orchestration.cli import board

ROW: dict[str, Any] = {
    "evaluator": "tone",
    "app": "chat",
    "night": "2026-10-01",
    "version": "v1",
    "count": 100,
    "reused": 0,
    "calls": 100,
    "tokens_in": 1000,
    "tokens_out": 100,
    "usd": 0.02,
    "margin": 0.001,
    "most": 0.3,
    "basis": "the judge's answers so far",
    "changed": ["new"],
    "via": "live",
    "usd_other": None,
    "awaited": 0,
}
ROOM = {"chat": BudgetLeft(1.0, None)}


def words(*, room: dict[str, BudgetLeft] = ROOM, **differs: Any) -> str:
    """What is said of one row's cost."""
    return " ".join(board.cost_words([PlannedNight(**{**ROW, **differs})], room))


def test_a_sum_known_from_answers_has_its_margin() -> None:
    """It stands beside the sum, and nothing is called a guess."""
    said = words()
    assert "US$ 0.0200 ± 0.0010, told from the judge's answers so far" in said
    assert "guess" not in said


def test_a_guess_is_called_one_with_its_bound_and_the_way_to_know() -> None:
    """Nobody takes it for what will be paid."""
    said = words(margin=None, basis="the length of the texts")
    assert "US$ ~0.0200" in said
    assert "at most US$ 0.3000" in said
    assert "--probe 20" in said


def test_a_day_without_enough_budget_is_told() -> None:
    """With what is left of it, in dollars or calls; a day with enough is not."""
    assert "budget" not in words()
    assert "US$ 0.0100 left" in words(room={"chat": BudgetLeft(0.01, None)})
    assert "99 calls left" in words(room={"chat": BudgetLeft(None, 99)})


def test_a_probe_that_was_stopped_says_by_what() -> None:
    """Beside how many questions it asked."""
    said = list(board.probed_words(CallsResult(3, rest=Skip("budget"))))
    assert said == [
        "asked 3 questions to know more; answers are kept",
        "no more were asked: budget",
    ]
