"""Promises of live calls: whatever a provider does, each trace ends with a verdict or a reason."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.calls import live
from evals.calls.circuit_breaker import CircuitBreaker
from evals.calls.routing import Route
from evals.calls.shared_state import SharedState
from evals.evaluators.gold import GoldAndLabels
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import build_worklist
from tests.evals.calls.catalog import NIGHT, TODAY, Team, build_traces
from tests.evals.calls.fake import start_bench_server
from tests.evals.models.model_server import ServerReply, build_completion, serve_script

FAULTS = "500,reset,malformed,truncated,timeout"


def answer_pass(body: dict[str, Any], seen: int = 0) -> ServerReply:
    """Answers with a verdict that passes."""
    return ServerReply(200, build_completion(body, '{"critique": "c", "verdict": "pass"}'))


def test_faults_of_every_kind_end_as_verdicts_or_errors(tmp_path: Path) -> None:
    """At 5% faults and 429s nothing is lost, nothing is guessed, and none is paid twice."""
    options = ("--latency", "20", "--fault-rate", "0.05", "--faults", FAULTS)
    with start_bench_server(*options, "--hang-s", "30", "--max-inflight", "24") as fake:
        pin = {"concurrency": 48, "timeout_s": 1.0}
        team = Team(tmp_path, fake.url, pin=pin)
        team.lake.write("traces", NIGHT, build_traces(600))
        tally = team.score()
        stats = fake.read_stats()
    rows = team.read_scores()
    assert len({row.trace_id for row in rows}) == len(rows) == 600
    assert tally.passed + tally.failed + tally.errored == 600
    assert tally.errored <= 12, Counter(row.code for row in rows)
    assert all((row.verdict is None) == (row.status == "error") for row in rows)
    assert all(row.code for row in rows if row.status == "error")
    assert set(stats["faults"]) == set(FAULTS.split(","))
    assert stats["n429"] > 0


def test_each_kind_of_fault_has_its_own_error_code(tmp_path: Path) -> None:
    """A failed call has an error code; the same question answered well has a verdict."""
    bad = {
        "answer 2026-10-01 0 ": ServerReply(500),
        "answer 2026-10-01 1 ": ServerReply(200, b"{not json"),
        "answer 2026-10-01 2 ": ServerReply(200, {"choices": []}),
        "answer 2026-10-01 3 ": ServerReply(400),
        "answer 2026-10-01 4 ": ServerReply(200, b"{}", delay_s=2.0),
    }

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        text = body["messages"][-1]["content"]
        return next((reply for words, reply in bad.items() if words in text), answer_pass(body))

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"timeout_s": 0.3, "deadline_s": 1.0})
        team.lake.write("traces", NIGHT, build_traces(8))
        team.score()
    codes = Counter(row.code or row.verdict for row in team.read_scores())
    assert codes == {
        "pass": 3,
        "server-error": 1,
        "malformed-response": 2,
        "refused-request": 1,
        "timeout": 1,
    }


def test_a_provider_that_is_down_ends_the_night_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not asked is no error: it is skipped with that reason, and left to the next run."""
    monkeypatch.setattr(live, "BACKOFF_S", 0.01)
    impatient = CircuitBreaker(probe_s=0.1, patience_s=0.5, rest_s=30.0)
    with serve_script(answer_pass) as server:
        url = server.url
    team = Team(tmp_path, url, pin={"concurrency": 16})
    team.lake.write("traces", NIGHT, build_traces(500))
    began = time.monotonic()
    tally = team.score(ask=functools.partial(live.ask_live, circuit=impatient))
    assert time.monotonic() - began < 20
    codes = Counter((row.status, row.code) for row in team.read_scores())
    assert codes["skipped", "provider-down"] == tally.unasked > 450
    assert codes["error", "connection"] == 500 - tally.unasked
    assert all(row.retryable for row in team.read_scores())


def test_outside_its_hours_a_provider_is_not_called(tmp_path: Path) -> None:
    """Requests are skipped with that reason, and sent within the hours."""
    now = datetime.now(UTC)
    closed = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    open_ = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url, pin={"limits": {"hours": closed}})
        team.lake.write("traces", NIGHT, build_traces(5))
        assert team.score().skipped == 5
        assert {(row.code, row.retryable) for row in team.read_scores()} == {
            ("outside-hours", True)
        }
        assert server.bodies == []
        team = Team(tmp_path, server.url, pin={"limits": {"hours": open_}})
        assert team.score().passed == 5


def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    """A call is not retried before the time the provider requested."""
    times: list[float] = []

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        times.append(time.monotonic())
        return answer_pass(body) if seen else ServerReply(429, headers={"Retry-After": "1"})

    with serve_script(script) as server:
        team = Team(tmp_path, server.url)
        team.lake.write("traces", NIGHT, build_traces(1))
        assert team.score().passed == 1
    assert times[1] - times[0] >= 1.0


def test_a_ceiling_applies_to_all_calls(tmp_path: Path) -> None:
    """No more than the share of the account's requests a minute is sent."""
    limits = {"requests_per_minute": 1200, "share": 0.5}
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url, pin={"limits": limits, "concurrency": 32})
        team.lake.write("traces", NIGHT, build_traces(15))
        began = time.monotonic()
        assert team.score().passed == 15
        took = time.monotonic() - began
    assert took >= 15 / (1200 * 0.5 / 60) - 0.3


def test_waiting_under_a_low_ceiling_does_not_count_to_the_deadline(tmp_path: Path) -> None:
    """Eight at once at four a second wait longer than their deadline, and all are answered."""
    limits = {"requests_per_minute": 240, "share": 1.0}
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url, pin={"limits": limits, "deadline_s": 1.0})
        team.lake.write("traces", NIGHT, build_traces(8))
        assert team.score().passed == 8


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}])
def test_an_account_that_only_rate_limits_gets_no_further_calls(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """After the pin's deadline without any answer, the rest waits unasked for another run."""
    with serve_script(lambda body, seen: ServerReply(429, headers=headers)) as server:
        team = Team(tmp_path, server.url, pin={"deadline_s": 2.0})
        team.lake.write("traces", NIGHT, build_traces(300))
        way = Route(team.lake, team.catalog, datetime.now(UTC))
        tally = team.score(ask=way)
        assert (tally.skipped, tally.unasked, tally.why) == (300, 300, "rate-limited")
        assert {(row.code, row.retryable) for row in team.read_scores()} == {("rate-limited", True)}
        calls = len(server.bodies)
        team.lake.write(
            "traces", NIGHT + timedelta(days=1), build_traces(20, NIGHT + timedelta(days=1))
        )
        assert team.score(NIGHT + timedelta(days=1), ask=way).unasked == 20
        assert len(server.bodies) == calls
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url)
        assert team.score(run_id="again").passed == 300, "no attempt was used up"


def test_a_night_ends_at_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not asked by then is skipped with that reason, and the next run asks it."""
    monkeypatch.setattr(live, "GRACE_S", 0.1)

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        slow = 30.0 if len(server.bodies) > 40 else 0.0
        return answer_pass(body)._replace(delay_s=0.0 if seen else slow)

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"night_deadline_s": 1.0, "concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(100))
        tally = team.score()
        assert (tally.passed, tally.unasked, tally.why) == (40, 60, "night-deadline")
        assert {row.inclusion for row in team.read_scores()} == {0.4}
        assert team.score(run_id="again").passed >= 40 + 4


def test_waiting_for_another_process_counts_to_the_night_s_deadline(tmp_path: Path) -> None:
    """While another asks the same questions, they are left to it; the other scores are written."""
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url, pin={"night_deadline_s": 0.2})
        team.lake.write("traces", NIGHT, build_traces(5))
        with team.lake.lock("calls", team.evaluator.answer_version or ""):
            tally = team.score()
        assert (tally.unasked, tally.why, server.bodies) == (5, "night-deadline", [])
        with team.lake.lock("scores", NIGHT.isoformat(), "tone", "chat"):
            assert team.score().why == "night-deadline"
        assert len(team.read_scores()) == 5, "the other process writes them anew"


def test_a_days_dollars_stop_it_before_they_are_passed(tmp_path: Path) -> None:
    """The inclusion rate of the scored traces is the share the dollars reached."""
    prices = [{"since": "2026-01-01", "input": 500.0, "output": 500.0}]  # 12 tokens: 0.6 cents
    with serve_script(answer_pass) as server:
        team = Team(
            tmp_path,
            server.url,
            pin={"prices": prices, "concurrency": 2},
            judge={"max_tokens": 2},
            budget={"usd_per_day": 1.0},
        )
        team.lake.write("traces", NIGHT, build_traces(200))
        tally = team.score()
        assert 0 < tally.calls == tally.passed < 167
        assert 0.6 < tally.usd <= 1.0
        assert tally.skipped == 200 - tally.passed
        assert {row.inclusion for row in team.read_scores()} == {tally.passed / 200}
        assert team.score().calls <= 1
        assert team.score(day=TODAY + timedelta(days=1)).calls > 0


def test_few_calls_are_reserved_ahead(tmp_path: Path) -> None:
    """A crashed run costs the day its reservations, which are few."""
    reserved = []

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        with contextlib.closing(sqlite3.connect(tmp_path / "home" / "asking.sqlite")) as db:
            reserved.extend(db.execute("select sum(reserved_calls) from purse").fetchone())
        return answer_pass(body)

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4}, budget={"calls_per_day": 100})
        team.lake.write("traces", NIGHT, build_traces(60))
        assert team.score().passed == 60
    assert 4 <= max(reserved) <= 3 * 4, "under way, ahead, and over but not yet booked"


def test_a_call_whose_answer_was_lost_counts_in_the_days_budget(tmp_path: Path) -> None:
    """A call the provider may charge is booked once, in calls and in dollars."""

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        return answer_pass(body) if seen else ServerReply(200, b"{not json")

    prices = [{"since": "2026-01-01", "input": 1.0, "output": 1.0}]
    with serve_script(script) as server:
        pin = {"concurrency": 2, "prices": prices}
        team = Team(tmp_path, server.url, pin=pin, budget={"calls_per_day": 11})
        team.lake.write("traces", NIGHT, build_traces(20))
        tally = team.score()
        assert len(server.bodies) == 11
    shared = SharedState(team.lake)
    usd, calls = shared.db.execute("select sum(spent_usd), sum(spent_calls) from purse").fetchone()
    shared.close()
    assert (calls, usd > 2 * tally.usd) == (11, True)


def answer_no_quota(body: dict[str, Any], seen: int) -> ServerReply:
    """Answers with the error of an account without quota."""
    return ServerReply(
        429, {"error": {"code": "insufficient_quota", "message": "You exceeded it."}}
    )


def test_an_account_without_quota_gets_no_further_calls(tmp_path: Path) -> None:
    """Calls under way fail once without a retry; all other questions wait for the next run."""
    with serve_script(answer_no_quota) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        for night in (NIGHT, NIGHT + timedelta(days=1)):
            team.lake.write("traces", night, build_traces(300, night))
        way = Route(team.lake, team.catalog, datetime.now(UTC))
        tally = team.score(ask=way)
        assert (tally.errored, tally.calls) == (300, 0)
        assert {(row.code, row.retryable) for row in team.read_scores()} == {
            ("quota-exhausted", True)
        }
        assert 1 <= len(server.bodies) <= 4
        calls = len(server.bodies)
        assert team.score(NIGHT + timedelta(days=1), ask=way).errored == 300
        assert len(server.bodies) == calls, "no further call in this run"
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        again = team.score(run_id="again", ask=Route(team.lake, team.catalog, datetime.now(UTC)))
        assert (again.passed, again.errored) == (300, 0), "the next run sends them again"


def test_a_key_that_is_refused_is_not_tried_on_every_trace(tmp_path: Path) -> None:
    """After a few refused questions and no answer the key is at fault, and the rest waits."""
    with serve_script(lambda body, seen: ServerReply(401, b"{}")) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(300))
        assert team.score().errored == 300
        assert len(server.bodies) <= CircuitBreaker().threshold + 4
    assert {(row.code, row.retryable) for row in team.read_scores()} == {("not-authorised", True)}


def test_answers_from_another_model_end_the_calls_until_the_pin_is_corrected(
    tmp_path: Path,
) -> None:
    """The run makes no more calls to that model; other models of the account are unaffected."""

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        other = {"model": "m-9"} if body["model"] == "m-2026-01-01" else {}
        return ServerReply(
            200, build_completion(body, '{"critique": "c", "verdict": "pass"}', **other)
        )

    with serve_script(script) as server:
        team = Team(tmp_path / "a", server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(100))
        way = Route(team.lake, team.catalog, datetime.now(UTC))
        assert team.score(ask=way).errored == 100
        calls = len(server.bodies)
        assert calls <= CircuitBreaker().threshold + 4
        assert {(row.code, row.retryable) for row in team.read_scores()} == {("other-model", True)}
        assert team.score(NIGHT, run_id="same", ask=way).errored == 100
        assert len(server.bodies) == calls, "no further call in this run"
        right = Team(tmp_path / "b", server.url, pin={"model": "m-8-2026-01-01"})
        right.lake.write("traces", NIGHT, build_traces(100))
        also = Route(right.lake, right.catalog, way.now, way.closed)
        assert right.score(ask=also).passed == 100
        named = Team(tmp_path / "a", server.url, pin={"answers_as": ["m-9"]})
        assert named.score(run_id="named").passed == 100


def test_weights_that_are_not_the_pinned_ones_leave_their_night_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All their requests remain for the next run."""
    package = tmp_path / "night_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "w.gguf").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    pin = {"provider": "embedded", "package": package.name, "model": "w.gguf", "sha256": "0" * 64}
    team = Team(tmp_path, "", pin={"base_url": None, **pin})
    team.lake.write("traces", NIGHT, build_traces(3))
    assert team.score().skipped == 3
    assert {(row.code, row.retryable) for row in team.read_scores()} == {("other-weights", True)}
    night, nothing = NightTraces(team.lake, NIGHT), GoldAndLabels.of(team.root, [])
    again = build_worklist(team.lake, night, team.evaluator, nothing)
    assert len(again.wanted) == again.remaining == 3


def test_a_refusal_of_one_request_is_not_blamed_on_the_key(tmp_path: Path) -> None:
    """Where others are answered in between, all other requests are sent."""

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        return (
            ServerReply(403, b"{}")
            if "0 word" in body["messages"][-1]["content"]
            else answer_pass(body)
        )

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 1})
        team.lake.write("traces", NIGHT, build_traces(60))
        tally = team.score()
    assert (tally.errored, tally.passed) == (6, 54)


def test_a_provider_that_is_no_api_ends_the_night_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web page with HTTP 200 and a name that does not resolve have codes of their own."""
    monkeypatch.setattr(live, "BACKOFF_S", 0.01)
    with serve_script(lambda body, seen: ServerReply(200, b"<!doctype html>")) as server:
        for url, code in ((server.url, "web-page"), ("http://no.invalid/v1", "unknown-host")):
            impatient = CircuitBreaker(probe_s=0.05, patience_s=0.1)
            team = Team(tmp_path / code, url)
            team.lake.write("traces", NIGHT, build_traces(30))
            tally = team.score(ask=functools.partial(live.ask_live, circuit=impatient))
            codes = Counter((row.status, row.code) for row in team.read_scores())
            assert tally.passed == 0
            assert codes["error", code] + codes["skipped", "provider-down"] == 30, codes
            assert codes["error", code] > 0
