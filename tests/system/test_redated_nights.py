"""A trace that a later file re-dates, through a whole night: where it counts and what is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.system.teams import Team

FIRST, BETWEEN, LAST = "2026-05-04", "2026-05-05", "2026-05-08"
DRAWN = "0af7651916cd43dd8448eb211c80319c"

pytestmark = pytest.mark.slow


def trace(night: str, name: str, output: str) -> dict[str, Any]:
    """One ordinary request, invented."""
    ts = f"{night}T08:00:00Z"
    return {"trace_id": name, "ts": ts, "app": "shop", "input": "Hi?", "output": output}


def limit(length: int) -> dict[str, Any]:
    """The application, with its longest answer."""
    validation = {"max_output_chars": length, "max_quarantined": 0.5}
    return {"apps/shop.yaml": {"app": "shop", "validation": validation}}


def accepted(team: Team) -> list[int]:
    """How many traces each night's report counts."""
    return [team.report(n, "shop")["accounting"]["accepted"] for n in (FIRST, BETWEEN, LAST)]


def test_a_redated_trace_moves_only_when_its_later_row_passes(tmp_path: Path) -> None:
    """A refused row takes nothing; let through, it opens its night and the one it leaves."""
    team = Team(tmp_path)
    team.declare({"catalog.yaml": {"title": "Shop", "since": FIRST}, **limit(10)})
    others = [trace(night, f"{night}-{n}", "Hello.") for night in (FIRST, BETWEEN) for n in "ab"]
    team.export("1.jsonl", [trace(FIRST, DRAWN, "Old."), *others])
    team.run_nightly()
    late = [trace(LAST, f"{LAST}-{n}", "Hello.") for n in "abc"]
    team.export("2.jsonl", [trace(LAST, DRAWN, "New, and too long."), *late])
    assert team.run_nightly()["nights"] == [LAST]
    assert accepted(team) == [3, 2, 3]
    team.declare(limit(100))
    (replayed,) = team.run_json("quarantine", "replay")
    assert (replayed["tried"], replayed["placed"], replayed["nights"]) == (1, 1, [LAST])
    assert team.run_nightly()["nights"] == [FIRST, LAST]
    assert accepted(team) == [2, 2, 4]
    assert team.run_nightly()["nights"] == []
