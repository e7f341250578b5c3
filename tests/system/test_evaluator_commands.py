"""`andon evaluator`: what a team evaluates, tried on a few traces, audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.system.conftest import EightNights
from tests.system.helpdesk import NIGHTS, build_night
from tests.system.judges import Judge
from tests.system.teams import Team

pytestmark = pytest.mark.slow


def run(team: Team, *words: str) -> Any:
    """Runs `andon evaluator` and returns its JSON."""
    return team.run("evaluator", *words, "--json").json


def list_results(trial: Any) -> list[Any]:
    """Lists the results of a trial, by trace."""
    return sorted((one["trace_id"], one["results"][0]["status"]) for one in trial["traces"])


def test_a_trial_shows_what_an_evaluator_read_and_concluded(
    eight_nights: EightNights, judge: Judge
) -> None:
    """Failed and passed traces come by turns, with what was read; nothing is asked or stored."""
    before = judge.count_calls()
    (code,) = run(eight_nights.team, "test", "signature", "--count", "4")
    assert {one["results"][0]["status"] for one in code["traces"]} <= {"pass", "fail"}
    assert all(one["read"]["output"] for one in code["traces"])
    (judged,) = run(eight_nights.team, "test", "politeness", "--count", "2")
    assert judged["traces"][0]["question"][0]["content"].startswith("You read help-desk answers.")
    assert judged["traces"][0]["results"][0]["status"] in ("pass", "fail")
    assert judge.count_calls() == before


def test_a_file_is_tried_without_a_night(eight_nights: EightNights) -> None:
    """A check can be tried on an export before any night has it; a judge is not asked."""
    path = eight_nights.team.folder / "new.jsonl"
    path.write_bytes(eight_nights.team.inbox.joinpath(f"{NIGHTS[0]}.jsonl").read_bytes())
    (code,) = run(eight_nights.team, "test", "signature", "--file", str(path))
    assert code["looked_at"] == sum(row["app"] == "helpdesk" for row in build_night(NIGHTS[0]))
    words = ("evaluator", "test", "politeness", "--file", str(path), "--ask")
    assert "--ask" in eight_nights.team.run(*words, code=2).errors


def test_an_answer_is_paid_for_once(copied: Callable[[], Team], judge: Judge) -> None:
    """`--ask` pays for answers that are missing, and a second trial finds them stored."""
    team = copied()
    name = team.catalog / "judges" / "polite.yaml"
    name.write_text(name.read_text() + "temperature: 0.25\n")
    before = judge.count_calls()
    (first,) = run(team, "test", "politeness", "--count", "3", "--ask")
    assert first["calls"] == judge.count_calls() - before > 0
    (again,) = run(team, "test", "politeness", "--count", "3", "--ask")
    assert again["calls"] == 0
    assert [one["results"] for one in again["traces"]] == [
        one["results"] for one in first["traces"]
    ]


def test_the_audit_reads_what_the_nights_show(eight_nights: EightNights) -> None:
    """Judges without labels are named, with the nights that were looked at."""
    audit = run(eight_nights.team, "audit", "--app", "helpdesk")
    kinds = {(one["kind"], one["evaluator"]) for one in audit["findings"]}
    assert {("unvalidated-judge", "polite"), ("unvalidated-judge", "helpful")} <= kinds
    assert (audit["from"], audit["to"]) == (str(NIGHTS[0]), str(NIGHTS[-1]))
