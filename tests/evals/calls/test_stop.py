"""Promises of a stop: calls end soon, whatever they wait for, and no paid answer is lost."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evals.calls import live
from evals.calls.shared_state import SharedState
from evals.calls.stop import Stop, Stopped
from evals.storage import ledger
from tests.evals.calls.catalog import NIGHT, Team, build_traces
from tests.evals.models.model_server import Script, ServerReply, build_completion, serve_script

GRACE_S = 2.0
LIMITED = {"limits": {"requests_per_minute": 2, "share": 1.0}}


def answer_pass(body: dict[str, Any], seen: int = 0) -> ServerReply:
    """Answers with a verdict that passes."""
    return ServerReply(200, build_completion(body, '{"critique": "c", "verdict": "pass"}'))


def answer_rate_limit(body: dict[str, Any], seen: int) -> ServerReply:
    """Answers with a rate limit to be retried in half a minute."""
    return ServerReply(429, headers={"Retry-After": "30"})


def reset_connection(body: dict[str, Any], seen: int) -> ServerReply:
    """Resets the connection: calls back off, then the circuit breaker opens."""
    return ServerReply(fault="reset")


def answer_late(body: dict[str, Any], seen: int) -> ServerReply:
    """Answers after the grace has ended."""
    return answer_pass(body)._replace(delay_s=8.0)


@contextmanager
def stop_after(seconds: float) -> Iterator[Stop]:
    """Requests a stop by another thread some seconds after calls began."""
    stop = Stop()

    def request() -> None:
        while stop.wake is None:
            time.sleep(0.01)
        time.sleep(seconds)
        stop.request()

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield stop
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("script", "pin", "lost"),
    [
        pytest.param(answer_pass, LIMITED, 0, id="a turn under the ceiling"),
        pytest.param(answer_rate_limit, {}, 0, id="the provider's Retry-After"),
        pytest.param(reset_connection, {}, 0, id="a backoff"),
        pytest.param(answer_late, {}, 4, id="an answer"),
    ],
)
def test_a_stop_ends_every_wait(
    script: Script,
    pin: dict[str, Any],
    lost: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run ends soon, without scores; abandoned calls count as paid, nothing stays reserved."""
    monkeypatch.setattr(live, "GRACE_S", GRACE_S)
    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4, **pin})
        team.lake.write("traces", NIGHT, build_traces(40))
        began = time.monotonic()
        with stop_after(0.5) as stop, pytest.raises(Stopped):
            team.score(ask=functools.partial(live.ask_live, stop=stop))
        assert time.monotonic() - began < 6
    assert team.read_scores() == []
    sql = "select sum(spent_calls), sum(reserved_calls), sum(reserved_usd) from purse"
    spent, *reserved = SharedState(team.lake).db.execute(sql).fetchone()
    assert (spent, reserved) == (lost, [0, 0.0])


def test_answers_within_the_grace_are_stored_and_no_call_follows(tmp_path: Path) -> None:
    """Calls under way are paid and stored; the next run sends only the rest."""
    with serve_script(lambda body, seen: answer_pass(body)._replace(delay_s=0.4)) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(10))
        with stop_after(0.6) as stop, pytest.raises(Stopped):
            team.score(ask=functools.partial(live.ask_live, stop=stop))
        stored = len(list(ledger.read_answers(team.lake.list_files("answers"))))
        assert stored == len(server.bodies) in (4, 8)
        assert team.score(run_id="again").calls == 10 - stored
        assert len(server.bodies) == 10


def test_a_stop_before_the_first_call_makes_none(tmp_path: Path) -> None:
    """A stop requested before the event loop started ends the run, too."""
    stop = Stop()
    assert not stop.request(), "no calls have begun"
    with serve_script(answer_pass) as server:
        team = Team(tmp_path, server.url)
        team.lake.write("traces", NIGHT, build_traces(3))
        with pytest.raises(Stopped):
            team.score(ask=functools.partial(live.ask_live, stop=stop))
        assert server.bodies == []
