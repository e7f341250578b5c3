"""One budget of a day for processes side by side: what the server is asked never passes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.storage.lake import Lake
from evals.worklist.sampling import compute_place
from tests.system.helpdesk import NIGHTS, build_question, create_team
from tests.system.judges import Judge
from tests.system.teams import wait_for_json

CALLS, QUESTIONS = 50, 20


@pytest.mark.slow
def test_runs_side_by_side_spend_one_budget_and_name_the_rest(tmp_path: Path, judge: Judge) -> None:
    """Each stops in hash order, and the night counts the traces it left unasked."""
    team = create_team(tmp_path, judge)
    team.edit("catalog.yaml", budget={"calls_per_day": CALLS})
    nights = NIGHTS[:3]
    for night in nights:
        team.export(
            f"{night}.jsonl", [build_question(night, number) for number in range(QUESTIONS)]
        )
    team.run_json("import", str(team.inbox))
    judge.request("/pace", {"latency_s": 0.1})
    before = judge.count_calls()
    runs = [team.start_nightly("--date", night.isoformat()) for night in nights]
    calls = [wait_for_json(one)["calls"] for one in runs]
    assert sum(calls) == judge.count_calls() - before == CALLS
    assert sum(n > 0 for n in calls) > 1, "they asked side by side"
    left = 0
    for night in nights:
        rows = Lake(team.home).read("scores", [night])
        for evaluator, dimension in (("polite", "politeness"), ("helpful", "use")):
            mine = [row for row in rows if row.evaluator == evaluator]
            mine.sort(key=lambda row: compute_place(row.trace_id, row.dimension))
            scored = sum(row.status == "scored" for row in mine)
            assert [row.status for row in mine[:scored]] == ["scored"] * scored
            assert {row.code for row in mine[scored:]} <= {"budget"}
            assert not scored or {row.inclusion for row in mine} == {scored / QUESTIONS}
            left += (skipped := QUESTIONS - scored)
            result = team.run("report", "show", "--app", "helpdesk", "--date", str(night))
            words = f"{dimension} ({evaluator}): {skipped} skipped, budget"
            assert (words in result.out) == (skipped > 0), result.out
    assert left == 2 * 3 * QUESTIONS - CALLS
