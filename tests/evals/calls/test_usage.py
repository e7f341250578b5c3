"""Promises of costs without usage: they are booked and shown at the most they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals.calls.day_budget import open_budget
from evals.reports.night_data import sum_paid
from evals.storage.ledger import list_answer_files, read_answers
from tests.evals.calls.catalog import NIGHT, TODAY, Team, build_traces
from tests.evals.models.model_server import Script, ServerReply, build_completion, serve_script

PRICES = [{"since": "2026-01-01", "input": 1.0, "output": 1.0}]
VERDICT = '{"critique": "c", "verdict": "pass"}'
CUT = '{"critique": "It says th'
WITHOUT_USAGE: list[Any] = [
    None,
    {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    {"prompt_tokens": 10},
    {"total_tokens": 12},
    {"prompt_tokens": "many", "completion_tokens": 2},
    {"prompt_tokens": -1, "completion_tokens": 2},
    "none",
]


def answer_with(usage: Any) -> Script:
    """Answers with a verdict and a usage."""
    return lambda body, seen: ServerReply(200, build_completion(body, VERDICT, usage=usage))


@pytest.mark.parametrize("usage", WITHOUT_USAGE)
def test_a_budget_holds_where_no_usage_is_reported(tmp_path: Path, usage: Any) -> None:
    """Each answer is booked at its most, in the ledger too, where it is marked as a bound."""
    with serve_script(answer_with(usage)) as server:
        pin = {"prices": PRICES, "concurrency": 4}
        team = Team(tmp_path, server.url, pin=pin, budget={"usd_per_day": 0.004})
        team.lake.write("traces", NIGHT, build_traces(48))
        tally = team.score()
        assert 0 < tally.calls == len(server.bodies) < 48
        assert 0.002 < tally.usd <= 0.004
        assert tally.why == "budget"
    files = list_answer_files(team.lake, team.evaluator.answer_version or "")
    assert all(answer.cost_is_bound for answer in read_answers(files))
    paid = sum_paid(team.lake, NIGHT, "chat", [team.evaluator])
    assert (paid.bounded, paid.usd) == (tally.calls, pytest.approx(tally.usd))
    with open_budget(team.lake, "other", TODAY, team.catalog) as budget:
        assert budget.read_left("chat").usd == pytest.approx(0.004 - tally.usd)


@pytest.mark.parametrize("prices", [PRICES, []])
def test_a_known_cost_or_none_is_no_bound(tmp_path: Path, prices: list[dict[str, Any]]) -> None:
    """With usage the cost is exact; without a price it is unknown, whatever the usage."""
    usage = {"prompt_tokens": 10, "completion_tokens": 2} if prices else None
    with serve_script(answer_with(usage)) as server:
        team = Team(tmp_path, server.url, pin={"prices": prices})
        team.lake.write("traces", NIGHT, build_traces(2))
        team.score()
    files = list_answer_files(team.lake, team.evaluator.answer_version or "")
    assert {(row.cost_is_bound, row.cost_usd) for row in read_answers(files)} == {
        (False, 12e-6 if prices else 0.0)
    }


@pytest.mark.parametrize("finish", ["length", "stop"])
def test_an_answer_that_ends_in_its_middle_is_asked_again_once(tmp_path: Path, finish: str) -> None:
    """The second answer counts, and both are paid; a second one that is cut off is an error."""

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        is_cut = seen == 0 or "answer 2026-10-01 0 " in body["messages"][-1]["content"]
        completion = build_completion(body, CUT if is_cut else VERDICT)
        completion["choices"][0]["finish_reason"] = finish if is_cut else "stop"
        return ServerReply(200, completion)

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(3))
        tally = team.score()
        assert (tally.passed, tally.errored, len(server.bodies)) == (2, 1, 6)
        assert tally.usd == pytest.approx(6 * 12e-6)
    with open_budget(team.lake, "other", TODAY, team.catalog) as budget:
        total, _ = budget.read_spent(budget.shared.db, "chat")
    assert (total.calls, total.usd) == (6, pytest.approx(6 * 12e-6))


def test_a_complete_answer_that_is_no_verdict_is_not_asked_again(tmp_path: Path) -> None:
    """Only the beginning of an object is; another text would come again."""
    with serve_script(lambda body, n: ServerReply(200, build_completion(body, "Maybe."))) as server:
        team = Team(tmp_path, server.url)
        team.lake.write("traces", NIGHT, build_traces(2))
        assert (team.score().errored, len(server.bodies)) == (2, 2)
