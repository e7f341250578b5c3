"""Promises of the estimate: a run costs what was estimated, within a tenth."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.calls.day_budget import read_budget_left
from evals.evaluators.gold import GoldAndLabels
from evals.runs.plan import PlannedNight, PlanScope, plan_nights, probe_judges
from tests.evals.calls.catalog import NIGHT, TODAY, Team, build_traces
from tests.evals.models.model_server import ServerReply, build_completion, serve_script

PRICES = [{"since": "2026-01-01", "input": 2.0, "cached": 0.2, "output": 8.0}]

NOW = datetime.combine(TODAY, time(12), UTC)


def answer_with_usage(
    body: dict[str, Any], seen: int, overhead: int = 0, cached: float = 0.0
) -> ServerReply:
    """Answers with usage by the text: 3.3 characters a token, and 20 to 60 tokens back."""
    text = "".join(message["content"] for message in body["messages"])
    tokens, tokens_out = int(len(text) / 3.3) + overhead, 20 + zlib.crc32(text.encode()) % 41
    usage: dict[str, Any] = {"prompt_tokens": tokens, "completion_tokens": tokens_out}
    usage["prompt_tokens_details"] = {"cached_tokens": int(tokens * cached)}
    return ServerReply(
        200, build_completion(body, '{"critique": "c", "verdict": "pass"}', usage=usage)
    )


def build_scope(team: Team, *nights: Any) -> PlanScope:
    """Builds the scope of some of the team's nights."""
    return PlanScope(team.lake, team.catalog, GoldAndLabels.of(team.catalog.root, []), nights)


def plan_team(team: Team, *nights: Any) -> list[PlannedNight]:
    """Plans some nights; returns the rows of judges."""
    rows = plan_nights(build_scope(team, *nights))
    return [row for row in rows if not row.evaluator.endswith(".answered")]


def count_probes(team: Team, count: int) -> int:
    """Probes the judges of the night; returns how many calls it made."""
    return probe_judges(build_scope(team, NIGHT), count, NOW).calls


@pytest.mark.parametrize(
    ("words", "overhead", "cached"), [(40, 0, 0.0), (400, 0, 0.0), (400, 110, 0.0), (40, 60, 0.8)]
)
def test_an_estimate_from_the_ledger_is_within_a_tenth_of_the_cost(
    tmp_path: Path, words: int, overhead: int, cached: float
) -> None:
    """It is so after a night of short texts, with any overhead and share of cached tokens."""
    second = NIGHT + timedelta(days=1)
    with serve_script(lambda body, seen: answer_with_usage(body, seen, overhead, cached)) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(60))
        team.lake.write("traces", second, build_traces(300, second, words=words))
        team.score()
        (row,) = plan_team(team, second)
        tally = team.score(second)
    answers = team.lake.read("answers", [second])
    assert row.basis == "the judge's answers so far"
    assert row.calls == tally.calls == 300
    assert row.tokens_in == pytest.approx(sum(a.tokens_in for a in answers), rel=0.1)
    assert row.tokens_out == pytest.approx(sum(a.tokens_out for a in answers), rel=0.1)
    assert row.usd == pytest.approx(tally.usd, rel=0.1)
    (after,) = plan_team(team, second)
    assert (after.calls, after.tokens_in, after.usd) == (0, 0, 0.0)


def test_a_first_estimate_is_marked_as_based_on_text_lengths(tmp_path: Path) -> None:
    """Without an answer in the ledger the basis is the length of what would be sent."""
    with serve_script(answer_with_usage) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(50))
        (row,) = plan_team(team, NIGHT)
        tally = team.score()
    assert row.basis == "the length of the texts"
    assert row.usd == pytest.approx(tally.usd, rel=0.5)


def test_a_model_without_a_price_costs_an_unknown_sum(tmp_path: Path) -> None:
    """Its calls are counted, and no dollars are invented."""
    with serve_script(answer_with_usage) as server:
        team = Team(tmp_path, server.url)
        team.lake.write("traces", NIGHT, build_traces(5))
        (row,) = plan_team(team, NIGHT)
    assert (row.calls, row.usd) == (5, None)


def test_a_probe_of_a_new_judge_makes_its_estimate_exact(tmp_path: Path) -> None:
    """A probe sends a run's first requests; their answers are stored, and none is paid twice."""
    with serve_script(answer_with_usage) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(400, words=60))
        (first_estimate,) = plan_team(team, NIGHT)
        assert (first_estimate.basis, first_estimate.margin) == ("the length of the texts", None)
        assert first_estimate.most is not None
        assert count_probes(team, 20) == 20
        assert count_probes(team, 20) == 0  # their answers are stored
        (row,) = plan_team(team, NIGHT)
        tally = team.score()
    assert (row.calls, tally.calls) == (380, 380)
    assert row.basis == "the judge's answers so far"
    assert row.usd == pytest.approx(tally.usd, rel=0.1)
    assert row.margin is not None
    assert row.usd is not None
    assert abs(row.usd - tally.usd) < row.margin < 0.1 * tally.usd
    assert tally.usd < first_estimate.most
    answered = {answer.content_key for answer in team.lake.read("answers", [NIGHT])}
    assert len(server.bodies) == len(answered) == 400


def test_a_probe_stays_within_the_days_budget(tmp_path: Path) -> None:
    """It is paid from the day's budget, and lowers what is left."""
    with serve_script(answer_with_usage) as server:
        budget = {"usd_per_day": 5.0, "calls_per_day": 8}
        team = Team(tmp_path, server.url, pin={"prices": PRICES}, budget=budget)
        team.lake.write("traces", NIGHT, build_traces(50))
        assert read_budget_left(team.lake, team.catalog, NOW.date(), "chat") == (5.0, 8)
        assert count_probes(team, 20) == 8
        spent = read_budget_left(team.lake, team.catalog, NOW.date(), "chat")
    answers = team.lake.read("answers", [NIGHT])
    assert spent.calls == 0
    assert spent.usd == pytest.approx(5.0 - sum(a.cost_usd or 0 for a in answers))


def test_answers_of_another_model_are_a_guess(tmp_path: Path) -> None:
    """A judge moved to another pin may answer at another length."""
    with serve_script(answer_with_usage) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(30))
        team.score()
        moved = Team(tmp_path, server.url, pin={"prices": PRICES, "model": "m-2026-02-02"})
        (row,) = plan_team(moved, NIGHT)
    assert row.calls == 30
    assert (row.basis, row.margin) == ("the judge's answers from another model", None)


def test_a_new_judge_is_guessed_from_the_others_of_its_model(tmp_path: Path) -> None:
    """Their answers give its tokens per character and about its output; no margin is claimed."""
    second = NIGHT + timedelta(days=1)
    with serve_script(answer_with_usage) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, build_traces(30))
        team.lake.write("traces", second, build_traces(200, second, words=60))
        team.score()
        theirs = [replace(a, evaluator="other") for a in team.lake.read("answers", [NIGHT])]
        for file in team.lake.list_files("answers", [NIGHT]):
            file.unlink()
        team.lake.write("answers", NIGHT, theirs, "another-version")
        (row,) = plan_team(team, second)
        tally = team.score(second)
    assert (row.basis, row.margin) == ("other judges' answers from the model", None)
    assert row.usd == pytest.approx(tally.usd, rel=0.1)
