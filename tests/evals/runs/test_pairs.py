"""Judges of two answers: both orders are asked, and what depends on the order is a tie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators.gold import GoldAndLabels
from evals.experiments.evaluator_trial import try_on_night
from evals.records import Trace
from evals.reports.pages.night import render_night
from evals.reports.pages.night_markdown import list_pairs
from evals.runs.runner import ScoringRun
from evals.specs import CatalogError
from evals.storage import ledger
from tests.evals.calls.catalog import NIGHT, Team
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script
from tests.evals.reports.chat_nights import BASE
from tests.evals.reports.night_rows import report_of

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
BEFORE = NIGHT - timedelta(days=1)


def judge_by_marks(body: dict[str, Any], before: int) -> ServerReply:
    """Prefers the answer that says `good`; of two others the first one, but stays silent at `?`."""
    question = body["messages"][-1]["content"]
    first, second = question.split("<answer_b")
    verdict = "B" if "good" in second and "good" not in first else "A"
    verdict = "tie" if "same" in first and "same" in second else verdict
    if "broken" in question and "> broken" in second:
        return ServerReply(400, b'{"error": {"message": "no"}}')
    return ServerReply(200, build_completion(body, f'{{"critique":"c","verdict":"{verdict}"}}'))


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves a judge that prefers the first of two equals."""
    with serve_script(judge_by_marks) as running:
        yield running


def build_trace(name: str, output: str, prompt: str, hours: int = 0, **more: Any) -> Trace:
    """Builds an answer to the question `name`."""
    ts = NOON + timedelta(hours=hours)
    return Trace(f"{name}-{prompt}", ts, "chat", output, f"Q {name}", prompt_version=prompt, **more)


def open_team(root: Path, server: Server, gold: str = "previous", **how: Any) -> Team:
    """Opens a team whose judge compares each answer with that of the prompt before."""
    team = Team(root, server.url, judge={"compares": True}, gold=gold, **how)
    old = {"a": "bad", "b": "good", "c": "plain", "d": "same", "e": "bad", "f": ""}
    new = {"a": "good longer", "b": "bad", "c": "plain", "d": "same", "e": "broken", "f": "x"}
    before = [build_trace(name, text, "v1", -24) for name, text in old.items()]
    tonight = [build_trace(name, text, "v2") for name, text in new.items()]
    lost = build_trace("g", "", "v2", status="error")
    team.lake.write("traces", BEFORE, before)
    team.lake.write("traces", NIGHT, [*tonight, build_trace("h", "alone", "v2"), lost])
    return team


def test_a_verdict_that_depends_on_the_order_is_a_tie(tmp_path: Path, server: Server) -> None:
    """Better, worse and tied, each in both orders; without another answer nothing is asked."""
    team = open_team(tmp_path, server)
    assert team.score().calls == 10
    rows = {row.trace_id[0]: row for row in team.read_scores()}
    values = {name: (row.verdict, row.value, row.code) for name, row in rows.items()}
    assert values == {
        "a": ("pass", 1.0, None),
        "b": ("fail", 0.0, None),
        "c": ("pass", 0.5, None),
        "d": ("pass", 0.5, None),
        "e": (None, None, "refused-request"),
        "f": (None, None, "no-gold"),
        "g": (None, None, "no-answer"),
        "h": (None, None, "no-gold"),
    }
    assert "depends on the order" in rows["c"].explanation
    assert team.score(run_id="again").calls == 0


def test_the_effect_of_position_is_on_the_pages(tmp_path: Path, server: Server) -> None:
    """The pairs are counted, and the table is what page and Markdown show."""
    team = open_team(tmp_path, server)
    team.score()
    (row,) = team.lake.read("pairs")
    counted = (row.pairs, row.won, row.lost, row.tied, row.inconsistent, row.uneven)
    assert counted == (4, 1, 1, 2, 1, 2)
    assert row.preferred == 0.5
    assert row.first == 0.625
    assert row.longer == 1.0
    report = report_of(replace(BASE, pairs=[row._asdict()]))
    assert "Compared with another answer" in render_night(report, history=[])
    (line,) = list_pairs(report)
    assert "better 1, worse 1, tie 2 of 4 pairs, preferred 50%" in line


def test_half_a_pair_is_no_verdict(tmp_path: Path, server: Server) -> None:
    """Where the budget ends between the two orders, the trace is skipped and asked again."""
    one_by_one = {"concurrency": 1}
    team = open_team(tmp_path, server, pin=one_by_one, budget={"calls_per_day": 5})
    calls = team.score().calls
    codes = [row.code for row in team.read_scores()]
    asked_whole = sum(row.status != "skipped" for row in team.read_scores())
    assert calls == 5
    assert asked_whole == calls // 2
    assert codes.count("budget") == 5 - asked_whole


def test_a_trial_shows_the_verdict_of_both_orders(tmp_path: Path, server: Server) -> None:
    """`andon evaluator test --ask` asks both orders and shows the question of the first."""
    team = open_team(tmp_path, server)
    nothing = GoldAndLabels.of(team.catalog.root, [])
    with ledger.open_journal(team.lake, "trial") as journal:
        run = ScoringRun(team.lake, nothing, journal)
        trial = try_on_night(run, team.evaluator, NIGHT, ["c-v2", "h-v2"], count=2, ask=True)
    shown = {one.trace.trace_id: one for one in trial.tried}
    assert trial.calls == 2
    assert (shown["c-v2"].status, shown["c-v2"].gold) == ("pass", "plain")
    assert "<answer_a" in str(shown["c-v2"].request)
    assert shown["h-v2"].status == "skipped"


def test_an_older_prompt_is_the_one_that_answered_first(tmp_path: Path, server: Server) -> None:
    """Of two prompts side by side the newer is compared with the older, never the other way."""
    team = Team(tmp_path, server.url, judge={"compares": True}, gold="previous")
    traces = [
        build_trace("a", "oldest", "v1", -3),
        build_trace("a", "newer", "v2", -2),
        build_trace("b", "x", "v2", -1),
        build_trace("b", "late v1", "v1"),
    ]
    team.lake.write("traces", NIGHT, traces)
    team.score()
    codes = {row.trace_id: row.code for row in team.read_scores()}
    assert codes == {"a-v1": "no-gold", "a-v2": None, "b-v2": "no-gold", "b-v1": "no-gold"}


@pytest.mark.parametrize(
    ("judge", "gold", "problem"),
    [
        ({"compares": True, "repeats": 2}, "previous", "asks twice"),
        ({"compares": True, "mode": "logprobs"}, "previous", "needs `mode: schema`"),
        ({"compares": True, "reads": ["input"]}, "previous", "add `output`"),
        ({"compares": True, "examples": [{"verdict": "pass"}]}, "previous", "no examples"),
        ({"compares": True}, None, "name the other one"),
        ({}, "previous", "does not compare answers"),
    ],
)
def test_a_judge_that_cannot_compare_is_refused(
    tmp_path: Path, judge: dict[str, Any], gold: str | None, problem: str
) -> None:
    """The message names what to change."""
    with pytest.raises(CatalogError, match=problem):
        _ = Team(tmp_path, "http://127.0.0.1:1", judge=judge, gold=gold).evaluator
