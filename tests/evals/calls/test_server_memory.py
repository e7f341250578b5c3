"""Promises of what calls learn of a server: a wrong set-up costs few calls, limits are kept."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.calls import concurrency
from evals.calls.concurrency import FEW_REFUSALS
from tests.evals.calls.batch_night import BatchTeam, write_batch_catalog
from tests.evals.calls.catalog import NIGHT, Team, build_traces
from tests.evals.models.batch_server import Row, Server, answer_line, build_row
from tests.evals.models.model_server import ServerReply, build_completion, serve_script

VERDICT = '{"critique": "c", "verdict": "pass"}'
TOO_MANY = {"error": {"message": "top_logprobs must be at most 5"}}


def answer_pass(body: dict[str, Any], seen: int = 0) -> ServerReply:
    """Answers with a verdict that passes."""
    return ServerReply(200, build_completion(body, VERDICT))


@pytest.fixture
def forgetful() -> Iterator[None]:
    """A process that has called no server."""
    models.LIMITED_SERVERS.clear()
    yield
    models.LIMITED_SERVERS.clear()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ServerReply(401, b"{}"), "not-authorised"),
        (ServerReply(404, {"error": {"code": "model_not_found"}}), "no-such-model"),
        (ServerReply(404, b"<html>Not found</html>"), "no-such-endpoint"),
        (ServerReply(200, build_completion({"model": "m-9"}, VERDICT)), "other-model"),
    ],
)
def test_a_wrong_set_up_costs_few_calls(tmp_path: Path, reply: ServerReply, code: str) -> None:
    """In every run until a person mends it; then all questions are asked."""
    with serve_script(lambda body, seen: reply) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 16})
        team.lake.write("traces", NIGHT, build_traces(100))
        for run in (1, 2):
            assert team.score(run_id=f"r{run}").errored == 100
            assert len(server.bodies) == run * FEW_REFUSALS
        assert {row.code for row in team.read_scores()} == {code}
    with serve_script(answer_pass) as server:
        mended = Team(tmp_path, server.url, pin={"concurrency": 16})
        assert mended.score(run_id="mended").passed == 100


def test_a_route_that_stopped_working_costs_few_calls_from_its_second_run_on(
    tmp_path: Path,
) -> None:
    """A key that is revoked is noticed by calls under way at once, and then by single ones."""
    replies = iter([answer_pass] * 20)

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        answer = next(replies, None)
        return answer(body) if answer else ServerReply(401, b"{}")

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(100))
        team.score()
        before = len(server.bodies)
        team.score(run_id="again")
        assert len(server.bodies) == before + FEW_REFUSALS


def test_a_route_that_has_answered_begins_with_many_calls(tmp_path: Path) -> None:
    """Only the first run of a home waits for its first answer."""
    together, calls = threading.Barrier(4), list[int]()

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        calls.append(1)
        if len(calls) > 4:
            together.wait(30)  # broken if they came one by one
        return answer_pass(body)

    with serve_script(script) as server:
        for number, count in enumerate((4, 8)):
            team = Team(tmp_path, server.url, pin={"concurrency": 4})
            team.lake.write("traces", NIGHT, build_traces(count))
            assert team.score(run_id=f"r{number}").passed == count


def test_a_first_call_that_takes_long_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that loads its model first gets the other calls after a moment."""
    monkeypatch.setattr(concurrency, "FIRST_CALL_S", 0.05)
    together = threading.Barrier(4)

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        together.wait(30)
        return answer_pass(body)

    with serve_script(script) as server:
        team = Team(tmp_path, server.url, pin={"concurrency": 4})
        team.lake.write("traces", NIGHT, build_traces(4))
        assert team.score().passed == 4


def answer_few(sent: Row, *, most: int) -> list[Row]:
    """Answers a request for few log probabilities; refuses one for more."""
    if sent["body"]["top_logprobs"] > most:
        return [build_row(sent, {"status_code": 400, "body": TOO_MANY})]
    (row,) = answer_line(sent)
    first = {"token": "Yes", "logprob": -0.1, "top_logprobs": [{"token": "Yes", "logprob": -0.1}]}
    row["response"]["body"]["choices"][0]["logprobs"] = {"content": [first]}
    row["response"]["body"]["choices"][0]["message"]["content"] = "Yes"
    return [row]


def list_candidates(server: Server) -> list[int]:
    """Lists how many log probabilities the requests of all batches asked for."""
    batches = server.state.batches
    return [row["body"]["top_logprobs"] for b in batches for row in server.state.list_requests(b)]


@pytest.mark.usefixtures("forgetful")
def test_a_batch_asks_for_as_many_log_probabilities_as_live_calls_learned(
    tmp_path: Path, server: Server
) -> None:
    """In another process too: what a server takes is stored in the home."""

    def script(body: dict[str, Any], seen: int) -> ServerReply:
        return ServerReply(400, TOO_MANY) if body["top_logprobs"] > 5 else answer_pass(body)

    with serve_script(script) as live_server:
        team = Team(tmp_path, live_server.url, judge={"mode": "logprobs"})
        team.lake.write("traces", NIGHT, build_traces(1))
        team.score()
        assert [body["top_logprobs"] for body in live_server.bodies] == [20, 5]
        models.LIMITED_SERVERS.clear()
        write_batch_catalog(tmp_path / "catalog", live_server.url, mode="logprobs")
        batch = BatchTeam(tmp_path)
        batch.write_night("good", "bad")
        batch.score()
        (job,) = batch.read_jobs()
        lines = (tmp_path / "home" / "batches" / f"{job.tag}.requests.jsonl").read_text()
    assert lines.count('"top_logprobs":5') == 2


@pytest.mark.usefixtures("forgetful")
def test_a_batch_that_was_refused_for_log_probabilities_asks_for_fewer(
    tmp_path: Path, server: Server
) -> None:
    """The next batch is answered, also by another process."""
    write_batch_catalog(tmp_path / "catalog", server.url, mode="logprobs")
    team = BatchTeam(tmp_path)
    team.write_night("good", "bad")
    server.state.script = functools.partial(answer_few, most=5)
    for _ in range(2):
        team.score()
        server.state.finish()
        team.collect()
        models.LIMITED_SERVERS.clear()
    assert sorted(list_candidates(server)) == [5, 5, 20, 20]
    team.score()
    assert set(team.read_verdicts().values()) == {"pass"}
