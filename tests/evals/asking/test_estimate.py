"""Promises of the estimate: what a run is said to cost is what it costs, within a tenth."""

from __future__ import annotations

import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.annotations import References
from evals.plan import Planned, plan
from tests.evals.asking.team import NIGHT, Team, traces
from tests.evals.models.model_server import Said, completion, serving

PRICES = [{"since": "2026-01-01", "input": 2.0, "cached": 0.2, "output": 8.0}]


def priced(body: dict[str, Any], seen: int, beside: int = 0, cached: float = 0.0) -> Said:
    """An answer whose usage follows the text, 3.3 characters a token, 20 to 60 tokens back."""
    text = "".join(message["content"] for message in body["messages"])
    tokens, said = int(len(text) / 3.3) + beside, 20 + zlib.crc32(text.encode()) % 41
    used: dict[str, Any] = {"prompt_tokens": tokens, "completion_tokens": said}
    used["prompt_tokens_details"] = {"cached_tokens": int(tokens * cached)}
    return Said(200, completion(body, '{"critique": "c", "verdict": "pass"}', usage=used))


def told(team: Team, *nights: Any) -> list[Planned]:
    """The plan of some nights."""
    return plan(team.lake, team.catalog, References.of(team.catalog.root, []), nights)


@pytest.mark.parametrize(
    ("words", "beside", "cached"), [(40, 0, 0.0), (400, 0, 0.0), (400, 110, 0.0), (40, 60, 0.8)]
)
def test_an_estimate_from_the_ledger_is_within_a_tenth_of_what_it_then_costs(
    tmp_path: Path, words: int, beside: int, cached: float
) -> None:
    """From a night of short texts, whatever the provider counts beside them or had cached."""
    second = NIGHT + timedelta(days=1)
    with serving(lambda body, seen: priced(body, seen, beside, cached)) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, traces(60))
        team.lake.write("traces", second, traces(300, second, words=words))
        team.score()
        (row,) = told(team, second)
        tally = team.score(second)
    answers = team.lake.read("answers", [second])
    assert row.basis == "the judge's answers so far"
    assert row.calls == tally.calls == 300
    assert row.tokens_in == pytest.approx(sum(a.tokens_in for a in answers), rel=0.1)
    assert row.tokens_out == pytest.approx(sum(a.tokens_out for a in answers), rel=0.1)
    assert row.usd == pytest.approx(tally.usd, rel=0.1)
    (after,) = told(team, second)
    assert (after.calls, after.tokens_in, after.usd) == (0, 0, 0.0)


def test_a_first_estimate_says_that_it_rests_on_the_texts_alone(tmp_path: Path) -> None:
    """Without an answer in the ledger the basis is the length of what would be sent."""
    with serving(priced) as server:
        team = Team(tmp_path, server.url, pin={"prices": PRICES})
        team.lake.write("traces", NIGHT, traces(50))
        (row,) = told(team, NIGHT)
        tally = team.score()
    assert row.basis == "the length of the texts"
    assert row.usd == pytest.approx(tally.usd, rel=0.5)


def test_a_model_without_a_price_costs_an_unknown_sum(tmp_path: Path) -> None:
    """Its calls are told, and no dollars are made up."""
    with serving(priced) as server:
        team = Team(tmp_path, server.url)
        team.lake.write("traces", NIGHT, traces(5))
        (row,) = told(team, NIGHT)
    assert (row.calls, row.usd) == (5, None)
