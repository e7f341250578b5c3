"""Promises of errors a person can repair: a later run asks again, within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from evals.calls.circuit_breaker import CircuitBreaker
from evals.worklist.repeated_calls import MAX_ATTEMPTS
from tests.evals.calls.catalog import NIGHT, Team, build_traces
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script

COUNT = 40
WORKERS = 2
FEW = CircuitBreaker().threshold + WORKERS
"""Most calls of a run that nothing answers."""


@dataclass
class Judge:
    """A judge's server that fails until it is repaired."""

    fault: ServerReply | str | None = None
    """A reply, or the text of a completion; None: it answers."""
    server: Server = field(init=False)

    def reply(self, body: dict[str, Any], before: int) -> ServerReply:
        """Replies to a request."""
        if isinstance(self.fault, ServerReply):
            return self.fault
        return ServerReply(body=build_completion(body, self.fault or '{"verdict": "pass"}'))

    def count_calls(self) -> int:
        """Counts the calls since the last count."""
        calls = len(self.server.bodies)
        self.server.bodies.clear()
        return calls


@pytest.fixture
def served() -> Iterator[Judge]:
    """Serves a judge's model."""
    served = Judge()
    with serve_script(served.reply) as served.server:
        yield served


def fail_with(status: int, message: str = "") -> ServerReply:
    """Returns an error with a message."""
    return ServerReply(status, json.dumps({"error": {"message": message}}).encode())


def open_team(root: Path, served: Judge, count: int = COUNT, **declared: Any) -> Team:
    """Opens a team with a night of traces."""
    pin = {"concurrency": WORKERS, **declared.pop("pin", {})}
    team = Team(root, served.server.url, pin=pin, **declared)
    team.lake.write("traces", NIGHT, build_traces(count))
    return team


def list_states(team: Team) -> set[tuple[str | None, str | None, bool]]:
    """Lists the different verdicts of the night's scores, with code and whether they may pass."""
    version = team.evaluator.version
    rows = (row for row in team.read_scores() if row.evaluator_version == version)
    return {(row.verdict, row.code, row.retryable) for row in rows}


PASSED = {("pass", None, False)}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (fail_with(404, "page not found"), "no-such-endpoint"),
        (fail_with(404, "model 'm' does not exist, try pulling it first"), "no-such-model"),
        (ServerReply(307, headers={"Location": "/elsewhere"}), "redirected"),
        (fail_with(401), "not-authorised"),
        (fail_with(402, "out of credit"), "quota-exhausted"),
        (fail_with(400, "response_format is not supported"), "takes-no-schema"),
    ],
)
def test_a_wrong_set_up_costs_few_calls_a_run_until_it_is_repaired(
    tmp_path: Path, served: Judge, fault: ServerReply, code: str
) -> None:
    """Every later run tries a few questions; once one is answered, all are asked."""
    served.fault = fault
    team = open_team(tmp_path, served)
    for _ in range(MAX_ATTEMPTS + 1):
        team.score()
        assert 1 <= served.count_calls() <= FEW
        assert list_states(team) == {(None, code, True)}
    served.fault = None
    assert team.score().passed == served.count_calls() == COUNT
    assert list_states(team) == PASSED


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (fail_with(400, "exceeds the maximum context length"), "too-long"),
        ("I would say it passes.", "unparseable"),
    ],
)
def test_a_failed_question_is_asked_by_a_bounded_number_of_runs(
    tmp_path: Path, served: Judge, fault: ServerReply | str, code: str
) -> None:
    """Each run asks it once, five runs in all; after a change of the pin one asks it again."""
    served.fault = fault
    team = open_team(tmp_path, served, 2)
    for number in range(MAX_ATTEMPTS):
        assert list_states(team) == ({(None, code, True)} if number else set())
        team.score()
        assert served.count_calls() == 2
    assert list_states(team) == {(None, code, False)}
    assert (team.score().calls, served.count_calls()) == (0, 0)
    served.fault = None
    assert open_team(tmp_path, served, 2).score().calls == 0
    changed = open_team(tmp_path, served, 2, pin={"timeout_s": 61})
    assert (changed.score().passed, served.count_calls()) == (2, 2)
    assert list_states(changed) == PASSED
    assert changed.score().calls == 0


@pytest.mark.parametrize("fault", [fail_with(400, "context length"), "I would say it passes."])
def test_a_repaired_server_heals_the_scores_of_the_next_run(
    tmp_path: Path, served: Judge, fault: ServerReply | str
) -> None:
    """A larger context or another template needs no change of the catalog."""
    team = open_team(tmp_path, served, 2)
    served.fault = fault
    team.score()
    served.fault = None
    assert team.score().passed == 2
    assert list_states(team) == PASSED


@pytest.mark.parametrize(
    "change", [{"judge": {"version": 2}}, {"pin": {"answers_as": ["m"]}}], ids=["version", "pin"]
)
def test_a_final_error_is_asked_again_after_a_change_alone(
    tmp_path: Path, served: Judge, change: dict[str, Any]
) -> None:
    """A filtered question is asked again after a change of the pin or of `version`, and once."""
    served.fault = fail_with(400, "content_filter")
    team = open_team(tmp_path, served, 2)
    team.score()
    assert (served.count_calls(), team.score().calls) == (2, 0)
    changed = open_team(tmp_path, served, 2, **change)
    assert (changed.score().errored, changed.score().calls) == (2, 0)
    assert served.count_calls() == 2


def test_good_answers_outlast_a_change_of_the_pin(tmp_path: Path, served: Judge) -> None:
    """What was answered is not asked again because a setting of the pin changed."""
    open_team(tmp_path, served).score()
    changed = open_team(tmp_path, served, pin={"timeout_s": 61}, judge={"version": 2})
    assert (changed.score().passed, served.count_calls()) == (COUNT, COUNT)


def test_unreadable_answers_of_an_older_home_are_not_paid_again(
    tmp_path: Path, served: Judge
) -> None:
    """Answers without a route, and their scores, stay as they are."""
    served.fault = "I would say it passes."
    team = open_team(tmp_path, served, 2)
    team.score()
    evaluator = team.evaluator
    answers = [replace(answer, route="") for answer in team.lake.read("answers")]
    team.lake.write("answers", NIGHT, answers, evaluator.answer_version or "")
    scores = [replace(row, retryable=False) for row in team.read_scores()]
    name = f"{evaluator.name}@{evaluator.app}@{evaluator.version}"
    team.lake.write("scores", NIGHT, scores, name)
    assert team.score().calls == 0
    assert list_states(team) == {(None, "unparseable", False)}
