"""Promises of a stop: calls end soon, whatever they wait for, and no paid answer is lost."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
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

SOON_S = 15.0
"""Half of the shortest wait that a stop has to end."""
LIMITED = {"limits": {"requests_per_minute": 2, "share": 1.0}}


def answer_pass(body: dict[str, Any], seen: int = 0) -> ServerReply:
    """Answers with a verdict that passes."""
    return ServerReply(200, build_completion(body, '{"critique": "c", "verdict": "pass"}'))


def answer_rate_limit(body: dict[str, Any], seen: int) -> ServerReply:
    """Answers with a rate limit to be retried in half a minute."""
    return ServerReply(429, headers={"Retry-After": "30"})


def reset_connection(body: dict[str, Any], seen: int) -> ServerReply:
    """Resets the connection: calls back off."""
    return ServerReply(fault="reset")


def answer_late(body: dict[str, Any], seen: int) -> ServerReply:
    """Answers long after the grace has ended."""
    return answer_pass(body)._replace(delay_s=60.0)


class TimedStop(Stop):
    """A stop that notes when it was requested."""

    requested_at = 0.0

    def request(self) -> bool:
        """Requests the stop and notes the time."""
        self.requested_at = time.monotonic()
        return super().request()


@contextmanager
def stop_when(is_time: Callable[[], bool]) -> Iterator[TimedStop]:
    """Requests a stop by another thread once calls have begun and a condition is met."""
    stop = TimedStop()

    def request() -> None:
        until = time.monotonic() + 60
        while (stop.wake is None or not is_time()) and time.monotonic() < until:
            time.sleep(0.01)
        stop.request()

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield stop
    finally:
        thread.join()


def read_purse(team: Team) -> tuple[int, int, float]:
    """Reads the calls booked as spent, and the calls and dollars reserved."""
    shared = SharedState(team.lake)
    sql = "select sum(spent_calls), sum(reserved_calls), sum(reserved_usd) from purse"
    row = shared.db.execute(sql).fetchone()
    shared.close()
    return row


@pytest.mark.parametrize(
    ("script", "pin", "sent", "grace_s", "lost"),
    [
        pytest.param(answer_pass, LIMITED, 0, 60.0, 0, id="a turn under the ceiling"),
        pytest.param(answer_rate_limit, {}, 1, 60.0, 0, id="the provider's Retry-After"),
        pytest.param(reset_connection, {}, 4, 60.0, 0, id="a backoff"),
        pytest.param(answer_late, {}, 4, 0.5, 4, id="an answer"),
    ],
)
def test_a_stop_ends_every_wait(
    script: Script,
    pin: dict[str, Any],
    sent: int,
    grace_s: float,
    lost: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run ends soon, without scores; abandoned calls count as paid, nothing stays reserved."""
    monkeypatch.setattr(live, "GRACE_S", grace_s)
    monkeypatch.setattr(live, "BACKOFF_S", 1000.0)
    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4, "deadline_s": 1e5, **pin})
        team.lake.write("traces", NIGHT, build_traces(40))

        def are_waiting() -> bool:
            return len(server.bodies) >= sent and (read_purse(team)[1] or 0) >= 4

        with stop_when(are_waiting) as stop, pytest.raises(Stopped):
            team.score(ask=functools.partial(live.ask_live, stop=stop))
        assert time.monotonic() - stop.requested_at < SOON_S
    assert team.read_scores() == []
    assert read_purse(team) == (lost, 0, 0.0)


def test_answers_within_the_grace_are_stored_and_no_call_follows(tmp_path: Path) -> None:
    """Calls under way are paid and stored; the next run sends only the rest."""
    stop, stopped = Stop(), threading.Event()

    def answer_after_stop(body: dict[str, Any], seen: int) -> ServerReply:
        if len(server.bodies) == 4:
            stop.request()
            stopped.set()
        stopped.wait(60)
        return answer_pass(body)

    with serve_script(answer_after_stop) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(10))
        with pytest.raises(Stopped):
            team.score(ask=functools.partial(live.ask_live, stop=stop))
        stored = len(list(ledger.read_answers(team.lake.list_files("answers"))))
        assert stored == len(server.bodies) == 4
        assert team.score(run_id="again").calls == 6
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
