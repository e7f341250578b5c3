"""A backfill makes the calls that the plan predicts, also beside another backfill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest

from tests.system.helpdesk import BAD, NIGHTS, build_night
from tests.system.judges import Judge, are_paid_once
from tests.system.teams import Team, wait_for_json

ANCHORED = 5
"""The most answers of earlier nights that a changed judge is asked about once: one night's."""
OTHER = "You read help-desk answers. Would you call this one courteous?"


def contents(nights: Sequence[date]) -> int:
    """Different contents of the help desk in some nights."""
    rows = (row for night in nights if night != BAD for row in build_night(night))
    return len({(row["input"], row["output"]) for row in rows if row["app"] == "helpdesk"})


def of_nights(reports: dict[str, bytes], nights: Sequence[date], app: str) -> dict[str, bytes]:
    """The versions of an application's reports in some nights."""
    names = tuple(f"{night}/{app}/" for night in nights)
    return {name: body for name, body in reports.items() if name.startswith(names)}


def changed(plan: dict[str, Any], evaluator: str) -> set[tuple[str, ...]]:
    """Which parts of an evaluator a plan lists as changed."""
    return {tuple(row["changed"]) for row in plan["plan"] if row["evaluator"] == evaluator}


@pytest.mark.slow
def test_a_plan_names_the_part_that_changed_and_the_calls_it_costs(
    copied: Callable[[], Team], judge: Judge
) -> None:
    """A prompt costs its different contents, a threshold nothing, and planning never calls."""
    team, before = copied(), judge.count_calls()
    team.edit("judges/helpful.yaml", threshold=0.9)
    moved = team.run_json("plan")
    assert moved["calls"] == 0, [row for row in moved["plan"] if row["calls"]][:4]
    assert changed(moved, "helpful") == {("threshold",)}
    assert sum(row["count"] for row in moved["plan"]) == 5 * (len(NIGHTS) - 1)
    team.edit("judges/polite.yaml", system=OTHER)
    plan = team.run_json("plan")
    assert plan["calls"] == contents(NIGHTS)
    assert changed(plan, "polite") == {("prompt",)}
    assert changed(plan, "secrets") == changed(plan, "helpdesk.signature") == {()}
    assert judge.count_calls() == before


@pytest.mark.slow
def test_a_backfill_pays_what_the_plan_predicts_and_changes_only_its_nights(
    copied: Callable[[], Team], judge: Judge
) -> None:
    """New versions beside the old in the range, none before it, no other judge asked.

    The changed judge is asked about a few answers before the range, its anchors. Later nights
    are compared with the range: their reports follow, without a call.
    """
    team, inside = copied(), NIGHTS[2:5]
    reports_before = team.read_reports()
    team.edit("judges/polite.yaml", system=OTHER)
    team.edit("judges/helpful.yaml", system="Changed too, and not asked for.")
    chosen = ["--evaluator", "polite", "--from", str(inside[0]), "--to", str(inside[-1])]
    plan, before = team.run_json("plan", *chosen), judge.count_calls()
    summary = team.run_json("backfill", *chosen)
    calls, reports_after = judge.list_calls(before), team.read_reports()
    assert plan["calls"] == summary["calls"] == len(calls)
    assert 0 < len(calls) - contents(inside) <= ANCHORED
    assert all(call["system"].startswith(OTHER) for call in calls)
    assert reports_before.items() <= reports_after.items()
    fresh = sorted(set(reports_after) - set(reports_before))
    assert fresh[0].startswith(f"{inside[0]}/")
    assert all(name.split("/")[1] == "helpdesk" for name in fresh)
    assert [len(of_nights(reports_after, [night], "helpdesk")) for night in inside] == [2, 2, 2]
    assert team.run_json("plan", *chosen)["calls"] == 0


@pytest.mark.slow
def test_backfills_side_by_side_do_not_collide(copied: Callable[[], Team], judge: Judge) -> None:
    """Two of one night and one of the next end well, and ask no content twice.

    Not even one that both nights have.
    """
    nights = [NIGHTS[2], NIGHTS[2], NIGHTS[3]]
    team, before = copied(), judge.count_calls()
    reports_before = team.read_reports()
    team.edit("judges/polite.yaml", system=OTHER)
    judge.request("/pace", {"latency_s": 0.5})
    started = [
        team.start("backfill", "--evaluator", "polite", "--date", str(n), "--json") for n in nights
    ]
    summaries = [wait_for_json(process) for process in started]
    calls, reports_after = judge.list_calls(before), team.read_reports()
    assert are_paid_once(calls)
    assert len(calls) == sum(one["calls"] for one in summaries)
    assert 0 < len(calls) - contents(nights) <= ANCHORED
    assert reports_before.items() <= reports_after.items()
    fresh = set(reports_after) - set(reports_before)
    evaluated = [name for name in fresh if name.split("/")[0] in map(str, nights)]
    assert {tuple(name.split("/")[:2]) for name in evaluated} == {
        (str(n), "helpdesk") for n in nights
    }
    assert min(fresh) in evaluated
    assert team.run_nightly()["nights"] == []
