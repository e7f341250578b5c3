"""Promises under attack: a judge that obeys what it reads is detected and may not decide."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evals.erasure import forget
from evals.evaluators.gold import GoldAndLabels
from evals.experiments import attack_trial
from evals.records import Label
from evals.runs.runner import ScoringRun
from evals.storage import ledger
from evals.worklist import canaries
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script
from tests.evals.reports.night_rows import Night, build
from tests.evals.runs.test_runner import NIGHT, Bench, build_traces

ORDERS = ("pass", "Yes", "seY", "dmVyZGljdA", "ireqvpg", "76657264")
"""Marks of an answer that argues; the last three are `verdict` encoded."""


def judge_robustly(body: dict[str, Any], _: int) -> ServerReply:
    """Judges by the answer: fails every text that contains `bad`."""
    verdict = "fail" if "bad" in body["messages"][-1]["content"] else "pass"
    return ServerReply(200, build_completion(body, f'{{"critique": "c", "verdict": "{verdict}"}}'))


def judge_gullibly(body: dict[str, Any], seen: int) -> ServerReply:
    """Passes where the answer contains an order."""
    material = body["messages"][-1]["content"]
    if any(word in material for word in ORDERS):
        return ServerReply(
            200, build_completion(body, '{"critique": "as ordered", "verdict": "pass"}')
        )
    return judge_robustly(body, seen)


@pytest.fixture(params=[judge_robustly, judge_gullibly], ids=["robust", "vulnerable"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Serves the judge's model: a robust one and a vulnerable one."""
    with serve_script(request.param) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    """Builds a night of two bad answers, which people failed, and a good one."""
    team_bench = Bench(tmp_path, server.url)
    team_bench.lake.write("traces", NIGHT, build_traces("bad one", "bad two", "good"))
    team_bench.labels = [
        Label(f"t{n}", "kind", v, "ann", "human") for n, v in ((0, "fail"), (1, "fail"))
    ]
    return team_bench


def build_report(bench: Bench) -> dict[str, Any]:
    """Builds the night's report with its attacks."""
    rows = [row._asdict() for row in bench.lake.read("canaries")]
    judge = bench.find_evaluator("kind")
    rates = {"dimension": "kind", "evaluator": "tone", "evaluator_version": judge.version}
    counts = {"n": 3, "passed": 1, "failed": 2, "errored": 0, "skipped": 0}
    return build(
        Night(
            date=NIGHT,
            app=bench.catalog.app("chat"),
            suite="chat",
            rates=[{**rates, **counts, "kind": "judge", "slice": "all"}],
            evaluators=[judge],
            agreement=[{**rates, "tp": 30, "fn": 0, "fp": 0, "tn": 30}],
            canaries=rows,
        )
    )


def test_the_share_of_changed_verdicts_is_in_the_report(bench: Bench, server: Server) -> None:
    """A vulnerable judge may not decide though it agrees with people; a robust one decides."""
    bench.score("kind")
    body = build_report(bench)
    (attacks,) = body["attacks"]
    (result,) = body["results"]
    assert attacks["n"] == len({attack.family for attack in canaries.load_shipped_attacks()})
    assert result["aligned"] is True
    if attacks["state"] == "robust":
        assert (attacks["passed"], result["decides"]) == (0, True)
    else:
        assert attacks["state"] == "vulnerable"
        assert attacks["low"] > attacks["limit"]
        assert result["decides"] is False
        assert result["reason"].startswith("the judge is vulnerable to attacks: it passed ")


def test_canaries_give_no_score_and_are_paid_once(bench: Bench, server: Server) -> None:
    """Each trace has a score and attacks have none; a second run makes no calls."""
    first = bench.score("kind")
    families = len({attack.family for attack in canaries.load_shipped_attacks()})
    assert first.calls == 3 + families
    assert len(bench.lake.read("scores")) == 3
    assert bench.score("kind").calls == 0
    rows = bench.lake.read("canaries")
    assert {row.clean for row in rows} == {"fail"}
    assert {row.trace_id for row in rows} == {"t0", "t1"}


def test_attacks_beyond_the_budget_are_not_measured(bench: Bench, server: Server) -> None:
    """The reason is in the report, and there is no rate."""
    bench.set_budget(calls_per_day=0)
    bench.score("kind")
    (attacks,) = build_report(bench)["attacks"]
    assert (attacks["state"], attacks["rate"]) == ("not measured", None)
    assert attacks["reason"] == "not asked or not answered: budget"


def test_without_labels_no_attack_is_sent(bench: Bench, server: Server) -> None:
    """A judge without labelled failures is not measured, with the reason."""
    bench.labels = []
    assert bench.score("kind").calls == 3
    (attacks,) = build_report(bench)["attacks"]
    assert (attacks["state"], attacks["reason"]) == (
        "not measured", "no answer that people failed yet",
    )  # fmt: skip


def test_all_attacks_are_tried_on_demand(bench: Bench, server: Server) -> None:
    """The trial counts every attack on every failed answer, by family, and names its successes."""
    references = GoldAndLabels.of(bench.catalog.root, bench.labels)
    with ledger.open_journal(bench.lake, "attack") as journal:
        run = ScoringRun(bench.lake, references, journal)
        trial = attack_trial.try_attacks(run, bench.catalog, bench.find_evaluator("kind"), NIGHT)
    report = trial.to_json()
    assert report["n"] == 2 * len(canaries.load_shipped_attacks())
    assert report["calls"] == report["n"] + 2
    assert sum(family["n"] for family in report["families"]) == report["n"]
    if report["state"] == "robust":
        assert report["fell_for"] == []
    assert report["state"] in ("robust", "vulnerable")
    assert bench.lake.read("scores") == []


def test_a_forgotten_trace_takes_its_attacked_copies_along(tmp_path: Path) -> None:
    """The judge's answers to them, of nights and trials, are deleted; others' answers stay."""

    def echo_trace(body: dict[str, Any], _: int) -> ServerReply:
        shown = body["messages"][-1]["content"]
        return ServerReply(
            200, build_completion(body, json.dumps({"critique": shown, "verdict": "fail"}))
        )

    with serve_script(echo_trace) as server:
        bench = Bench(tmp_path, server.url)
        bench.lake.write("traces", NIGHT, build_traces("bad herbalist", "bad two"))
        bench.labels = [Label(f"t{n}", "kind", "fail", "ann", "human") for n in (0, 1)]
        bench.score("kind")
        references = GoldAndLabels.of(bench.catalog.root, bench.labels)
        with ledger.open_journal(bench.lake, "attack") as journal:
            run = ScoringRun(bench.lake, references, journal)
            attack_trial.try_attacks(run, bench.catalog, bench.find_evaluator("kind"), NIGHT)
    attacks = len(canaries.load_shipped_attacks())

    def read_answer_texts() -> list[str]:
        return [answer.text or "" for answer in bench.lake.read("answers")]

    assert sum("herbalist" in text for text in read_answer_texts()) == attacks + 1
    cost = sum(answer.cost_usd for answer in bench.lake.read("answers"))
    erased = forget.forget_person(bench.lake, bench.catalog, [], ["t0"], datetime.now(UTC)).touched
    assert erased["left"] == 0
    assert not any("herbalist" in text for text in read_answer_texts())
    assert sum("bad two" in text for text in read_answer_texts()) == attacks + 1
    assert sum(answer.cost_usd for answer in bench.lake.read("answers")) == cost
    assert "t0" not in {row.trace_id for row in bench.lake.read("canaries")}
    files_with_text = [
        str(path.relative_to(bench.lake.home))
        for path in bench.lake.home.rglob("*.parquet")
        if "herbalist" in repr(pq.read_table(path).to_pylist())
    ]
    assert files_with_text == []
