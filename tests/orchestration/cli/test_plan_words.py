"""Promises of a plan in the terminal: it marks guesses and names a short budget."""

from __future__ import annotations

from typing import Any

from evals.calls.day_budget import BudgetLeft
from evals.calls.requests import CallsResult
from evals.records import Skip
from evals.runs.plan import PlannedNight
from orchestration.cli import plan_tables

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


def describe_row(*, room: dict[str, BudgetLeft] = ROOM, **differs: Any) -> str:
    """The printed cost of a plan with one row."""
    return " ".join(plan_tables.describe_total([PlannedNight(**{**ROW, **differs})], room))


def test_an_estimate_from_answers_has_a_margin() -> None:
    """A cost estimated from answers has a margin and is not called a guess."""
    line = describe_row()
    assert "US$ 0.0200 ± 0.0010, estimated from the judge's answers so far" in line
    assert "guess" not in line


def test_a_guess_is_marked_with_its_bound_and_how_to_estimate_better() -> None:
    """A guessed cost is marked, has an upper bound, and names `--probe`."""
    line = describe_row(margin=None, basis="the length of the texts")
    assert "US$ ~0.0200" in line
    assert "at most US$ 0.3000" in line
    assert "--probe 20" in line


def test_a_short_budget_is_named() -> None:
    """A plan over the day's budget names what is left, in dollars or calls."""
    assert "budget" not in describe_row()
    assert "US$ 0.0100 left" in describe_row(room={"chat": BudgetLeft(0.01, None)})
    assert "99 calls left" in describe_row(room={"chat": BudgetLeft(None, 99)})


def test_a_stopped_probe_names_the_reason() -> None:
    """A probe that was stopped names its calls and why it made no more."""
    lines = list(plan_tables.describe_probe(CallsResult(3, rest=Skip("budget"))))
    assert lines == [
        "the probe made 3 calls; their answers are kept",
        "it made no more: budget",
    ]
