"""Promises of batches: they cost half, every row is checked, and nothing is paid twice."""

import dataclasses
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.calls import batch, live
from evals.calls.routing import Route, cancel_batch
from evals.specs import CatalogError
from evals.storage.documents.batch_jobs import requests_path
from tests.evals.calls.batch_night import (
    NOON,
    BatchTeam,
    is_paid_once,
    sum_spent,
    write_batch_catalog,
)
from tests.evals.models.batch_server import Row, Server, answer_line, build_row

ROOT = Path(__file__).parents[3]
LATER = NOON + timedelta(hours=1)


def test_an_open_batch_is_pending_and_a_collected_one_costs_half(
    team: BatchTeam, server: Server
) -> None:
    """Its traces are pending until it ends; then each has a verdict at half the price."""
    tally = team.score()
    assert (tally.pending, tally.calls, team.read_verdicts()) == (3, 0, {})
    assert (team.read_coverage().sampled, team.read_coverage().pending) == (3, 3)
    assert team.collect() == []
    server.state.finish()
    (collected,) = team.collect()
    assert (collected.state, collected.counts, collected.keys) == ("collected", {"answered": 3}, ())
    team.score()
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert team.read_coverage().pending == 0
    (cost,) = {answer.cost_usd for answer in team.read_answers()}
    assert cost == pytest.approx((10 * 2.0 + 2 * 8.0) / 1e6 / 2)
    assert {answer.batch for answer in team.read_answers()} == {collected.tag}
    assert collected.usd == pytest.approx(3 * cost)
    assert is_paid_once(server)
    assert not list((team.lake.home / "batches").glob("*.jsonl"))


def test_a_second_run_submits_nothing_while_a_batch_is_open(
    team: BatchTeam, server: Server
) -> None:
    """Pending requests are not sent again, even if the judge is now declared `live`."""
    team.score()
    team.score()
    write_batch_catalog(team.folder / "catalog", server.url, via="live")
    team.catalog = BatchTeam(team.folder).catalog
    assert team.score().pending == 3
    assert server.state.requests["POST /batches"] == 1
    assert is_paid_once(server)


def test_a_late_trace_gets_a_batch_of_its_own(team: BatchTeam, server: Server) -> None:
    """A second run submits only questions that no open batch has."""
    team.score()
    team.write_night("good", "bad", "good too", "late and good")
    assert team.score().pending == 4
    assert [job.requests for job in team.read_jobs()] == [3, 1]
    assert is_paid_once(server)


def test_batches_are_split_over_the_providers_limits(tmp_path: Path, server: Server) -> None:
    """No file holds more requests or bytes than allowed, and each names one model."""
    write_batch_catalog(tmp_path / "catalog", server.url, max_requests=2)
    team = BatchTeam(tmp_path)
    team.write_night("a", "b", "c", "d", "e")
    team.score()
    assert sorted(job.requests for job in team.read_jobs()) == [1, 2, 2]
    write_batch_catalog(tmp_path / "bytes" / "catalog", server.url, max_mb=0.005)
    team = BatchTeam(tmp_path / "bytes")
    team.write_night(*(f"{n} " + "x" * 600 for n in range(4)))
    team.score()
    assert len(team.read_jobs()) > 1
    assert all(job.size <= 5000 for job in team.read_jobs())
    for name in server.state.batches:
        assert {
            request_row["body"]["model"] for request_row in server.state.list_requests(name)
        } == {"m-2026-01-01"}
    server.state.finish()
    team.collect()
    team.score()
    assert len(team.read_verdicts()) == 4
    assert is_paid_once(server)


def test_a_job_over_the_queue_limit_waits_and_is_stored(tmp_path: Path, server: Server) -> None:
    """Enqueued tokens stay under the pin's limit; waiting jobs are submitted when there is room."""
    write_batch_catalog(tmp_path / "catalog", server.url, max_requests=1, enqueued_tokens=150)
    team = BatchTeam(tmp_path)
    team.write_night("good", "bad")
    team.score()
    problems = {job.state: job.problem for job in team.read_jobs()}
    assert set(problems) == {"submitted", "intended"}
    assert "waits for room" in problems["intended"]
    server.state.finish()
    team.collect()
    team.collect()
    server.state.finish()
    team.collect()
    assert team.score().pending == 0
    assert is_paid_once(server)


OTHER = "m-mini"
CONTEXT = "context_length_exceeded"


def build_odd_rows(request_row: Row) -> list[Row]:
    """Builds any kind of row that batches have returned, by the trace's text."""
    good = answer_line(request_row)[0]
    body = good["response"]["body"]
    material = request_row["body"]["messages"][-1]["content"]
    kinds: dict[str, list[Row]] = {
        "zero": [build_row(request_row, {"status_code": 0, "request_id": "", "body": ""})],
        "fault": [
            build_row(request_row, {"status_code": 500, "body": {"error": {"message": "x"}}})
        ],
        "refused": [
            build_row(request_row, {"status_code": 400, "body": {"error": {"message": "x"}}})
        ],
        "poor": [
            build_row(
                request_row, {"status_code": 429, "body": {"error": {"code": "insufficient_quota"}}}
            )
        ],
        "long": [
            build_row(request_row, {"status_code": 400, "body": {"error": {"code": CONTEXT}}})
        ],
        "expired": [build_row(request_row, None, {"code": "batch_expired", "message": "x"})],
        "error": [build_row(request_row, None, {"code": "internal", "message": "x"})],
        "other": [build_row(request_row, {"status_code": 200, "body": {**body, "model": OTHER}})],
        "empty": [build_row(request_row, {"status_code": 200, "body": {}})],
        "twice": [good, answer_line({**request_row, "body": {**request_row["body"]}})[0]],
        "foreign": [good, {**good, "custom_id": "of someone else"}],
        "missing": [],
        "healed": [build_row(request_row, None, {"code": "internal", "message": "x"}), good],
    }
    return next((rows for word, rows in kinds.items() if f" {word} " in material), [good])


def test_every_row_is_checked(team: BatchTeam, server: Server) -> None:
    """In a `completed` batch, too, a row is an answer, an error with its code, or only counted."""
    kinds = (
        "zero", "fault", "refused", "expired", "error", "other", "empty", "twice", "foreign",
        "missing", "healed", "poor", "long",
    )  # fmt: skip
    team.write_night(*(f"a {kind} good" for kind in kinds))
    team.score()
    server.state.script = build_odd_rows
    server.state.finish()
    (collected,) = team.collect()
    server.state.script = answer_line
    catalog = team.catalog
    team.catalog = catalog.model_copy(
        update={"judges": {"tone": catalog.judges["tone"].model_copy(update={"via": "live"})}}
    )
    codes = {answer.code for answer in team.read_answers()}
    assert codes == {
        "batch-row-failed", "refused-request", "batch-expired", "other-model",
        "malformed-response", "batch-missing", "quota-exhausted", "too-long", None,
    }  # fmt: skip
    assert codes - {None} <= models.FAULTS.keys(), "each has a description"
    assert collected.counts["second-row"] == 2  # one of them an error beside its answer
    assert collected.counts["unknown-row"] == 1
    assert collected.counts["answered"] == 3
    team.score()
    verdicts = dict(
        zip(kinds, (team.read_verdicts()[f"t{i}"] for i in range(len(kinds))), strict=True)
    )
    assert verdicts.pop("refused") == "error:refused-request"
    assert set(verdicts.values()) == {"pass"}, "errors that may be repaired were sent again, live"


def test_personal_data_in_a_batch_answer_is_redacted(team: BatchTeam, server: Server) -> None:
    """Secrets in a model's answer are redacted by batch as they are live."""

    def repeat_address(sent: Row) -> list[Row]:
        """Builds a good answer that repeats an address."""
        (good,) = answer_line(sent)
        choice = good["response"]["body"]["choices"][0]["message"]
        choice["content"] = '{"critique": "wrote to ann.lee@example.org", "verdict": "pass"}'
        return [good]

    server.state.script = repeat_address
    team.score()
    server.state.finish()
    team.collect()
    assert team.read_answers()
    assert not any("ann.lee@example.org" in str(answer.text) for answer in team.read_answers())


def test_expired_requests_are_retried_a_few_times(team: BatchTeam, server: Server) -> None:
    """Answers are stored; the rest is retried until its error is final."""
    team.score()
    server.state.finish("expired", upto=1)
    team.collect()
    assert Counter(a.code for a in team.read_answers()) == {None: 1, "batch-expired": 2}
    for _ in range(10):
        if not team.score().pending:
            break
        server.state.finish("expired", upto=0)
        team.collect()
    assert Counter(team.read_verdicts().values())["error:batch-expired"] == 2
    assert max(server.state.count_submissions().values()) == 5


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_cancelled_or_failed_batch_frees_its_requests(
    team: BatchTeam, server: Server, status: str
) -> None:
    """Answers so far are stored and paid; the next run sends the rest."""
    team.score()
    answered = 2 if status == "cancelled" else 0
    server.state.finish(status, upto=answered)
    (collected,) = team.collect()
    assert collected.counts.get("answered", 0) == answered
    assert team.score().pending == 3 - answered
    assert server.state.requests["POST /batches"] == 2


def test_a_batch_can_be_cancelled(team: BatchTeam, server: Server) -> None:
    """The provider cancels it, and its answers so far are collected."""
    team.score()
    (submitted,) = team.read_jobs()
    assert cancel_batch(team.lake, team.catalog, submitted, NOON).status == "cancelling"
    server.state.finish("cancelled", upto=1)
    team.collect()
    assert Counter(a.code for a in team.read_answers()) == {None: 1, "batch-cancelled": 2}


@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_faulty_submission_is_resumed_and_paid_once(
    team: BatchTeam, server: Server, route: str, status: int
) -> None:
    """After lost responses, 429s and faults the next run finds the batch, or creates it."""
    server.state.faults = [(route, status)]
    assert team.score().pending == 3
    team.collect(LATER)
    assert [job.state for job in team.read_jobs()] == ["submitted"]
    assert len(server.state.batches) == 1
    server.state.finish()
    team.collect(LATER)
    team.score()
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert is_paid_once(server)


def test_a_batch_is_not_created_again_within_a_minute(team: BatchTeam, server: Server) -> None:
    """After an unclear response no batch is created for a minute, since its list may lag."""
    server.state.faults = [("POST /batches", 500)]
    team.score()
    team.collect(NOON + timedelta(seconds=30))
    assert [job.state for job in team.read_jobs()] == ["creating"]
    team.collect(NOON + timedelta(seconds=90))
    assert [job.state for job in team.read_jobs()] == ["submitted"]


def test_a_batch_on_a_later_page_is_recognised(team: BatchTeam, server: Server) -> None:
    """A long list of other batches is read back to the time of ours."""
    server.state.faults = [("POST /batches", 0)]
    team.score()
    for number in range(5):
        theirs = {**next(iter(server.state.batches.values())), "id": f"batch_x{number}"}
        server.state.batches[f"batch_x{number}"] = {**theirs, "metadata": None}
    server.state.page = 2
    team.collect()
    assert [job.batch_id for job in team.read_jobs()] == ["batch_1"]


def test_a_refused_submission_ends_with_its_reason(team: BatchTeam, server: Server) -> None:
    """A request the provider refuses for good becomes errors, not a batch that never ends."""
    server.state.faults = [("POST /batches", 400)]
    team.score()
    team.collect()
    (collected,) = team.read_jobs()
    assert collected.state == "refused"
    assert "400" in collected.problem
    assert {answer.code for answer in team.read_answers()} == {"batch-refused"}


@pytest.mark.parametrize(
    ("via", "outputs", "now", "way"),
    [
        ("batch", 1, NOON, "batch"),
        ("live", 500, NOON, "live"),
        ("auto", 99, NOON - timedelta(days=1), "live"),
        ("auto", 100, datetime(2026, 10, 2, 5, tzinfo=UTC), "live"),
        ("auto", 100, datetime(2026, 10, 2, 13, tzinfo=UTC), "batch"),
        ("auto", 100, datetime(2026, 10, 20, 5, tzinfo=UTC), "batch"),
    ],
)
def test_auto_uses_a_batch_where_the_deadline_allows(
    tmp_path: Path, via: str, outputs: int, now: datetime, way: str
) -> None:
    """Few questions and urgent nights go live; backfills and overdue nights go by batch."""
    write_batch_catalog(tmp_path / "catalog", "http://127.0.0.1:1/v1", via=via)
    team = BatchTeam(tmp_path)
    team.write_night(*map(str, range(outputs)))
    from evals.calls.requests import CallPlan
    from evals.evaluators.gold import GoldAndLabels
    from evals.worklist.night_contents import NightTraces
    from evals.worklist.worklist import build_worklist
    from tests.evals.calls.batch_night import NIGHT

    judge = team.judge
    work = build_worklist(
        team.lake, NightTraces(team.lake, NIGHT), judge, GoldAndLabels.of(team.folder, [])
    )
    assert judge.judge
    assert judge.pin
    plan: Any = CallPlan(work, judge.judge, judge.pin, None, team.lake)  # type: ignore[arg-type]
    limits = Route(team.lake, team.catalog, now).batch_limits(plan)
    assert ("live" if limits is None else "batch") == way
    again = dataclasses.replace(work, wanted=tuple(w._replace(attempts=1) for w in work.wanted))
    if via == "auto":
        retried = dataclasses.replace(plan, work=again)
        assert Route(team.lake, team.catalog, now).batch_limits(retried) is None
    work.contents.close()


def test_a_judge_by_batch_needs_a_model_that_takes_them(tmp_path: Path) -> None:
    """A judge by batch whose model takes none is rejected with the key to change."""
    write_batch_catalog(tmp_path / "catalog", "http://127.0.0.1:1/v1")
    pins = tmp_path / "catalog" / "models.yaml"
    pins.write_text(pins.read_text().replace("  batch: {}\n", ""))
    with pytest.raises(CatalogError, match=r"tone\.yaml:\d+: via: 'm' takes no batches"):
        BatchTeam(tmp_path)


STEPS = [
    (when, route)
    for route in ("POST /files", "POST /batches", "GET /batches/ID", "GET /files/ID/content")
    for when in ("before", "after")
]


@pytest.mark.slow
@pytest.mark.parametrize(("when", "route"), STEPS)
def test_a_kill_at_any_step_pays_once(
    team: BatchTeam, server: Server, when: str, route: str
) -> None:
    """After `kill -9` before or after each step at the provider the next run resumes."""
    step = "score" if route.startswith("POST") else "collect"
    if step == "collect":
        team.score()
        server.state.finish()
    server.state.stall = f"{when} {route}"
    command = [sys.executable, "-m", "tests.evals.calls.batch_night", str(team.folder), step]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert server.state.stalled.wait(60), "the step was reached"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    server.state.stall = ""
    if step == "score":
        assert team.score().pending == 3
        team.collect(LATER)
        server.state.finish()
    team.collect(LATER + timedelta(minutes=5))
    team.score()
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert is_paid_once(server)
    assert len(server.state.batches) == 1
    assert len(team.read_answers()) == 3
    assert sum_spent(team) == (
        pytest.approx(sum(answer.cost_usd for answer in team.read_answers())),
        3,
    )


def test_a_crash_between_the_two_writes_leaves_no_second_batch(
    team: BatchTeam, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of the same questions have the same name, and are submitted once."""
    monkeypatch.setattr(batch, "advance_job", None)
    with pytest.raises(TypeError):
        team.score()
    monkeypatch.undo()
    (intended,) = team.read_jobs()
    assert intended.state == "intended"
    assert requests_path(team.lake, intended.tag).exists()
    team.score()
    team.collect()
    assert server.state.requests["POST /batches"] == 1
    assert live.CALL_ATTEMPTS
