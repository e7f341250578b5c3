"""Promises of batches: half the price, every row checked, and nothing is paid twice."""

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
from tests.evals.calls.batch_night import NOON, BatchLine, catalog_at, once, spent
from tests.evals.models.batch_server import Row, Server, answer_line, build_row

ROOT = Path(__file__).parents[3]
LATER = NOON + timedelta(hours=1)


def test_a_batch_out_is_pending_and_back_it_is_scored_at_half_the_price(
    line: BatchLine, server: Server
) -> None:
    """Its traces are pending until it ends; then each has a verdict, marked as batch and cheap."""
    tally = line.ask()
    assert (tally.pending, tally.calls, line.verdicts()) == (3, 0, {})
    assert (line.coverage().sampled, line.coverage().pending) == (3, 3)
    assert line.back() == []
    server.state.finish()
    (over,) = line.back()
    assert (over.state, over.counts, over.keys) == ("collected", {"answered": 3}, ())
    line.ask()
    assert line.verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert line.coverage().pending == 0
    (cost,) = {answer.cost_usd for answer in line.answers()}
    assert cost == pytest.approx((10 * 2.0 + 2 * 8.0) / 1e6 / 2)
    assert {answer.batch for answer in line.answers()} == {over.tag}
    assert over.usd == pytest.approx(3 * cost)
    assert once(server)
    assert not list((line.lake.home / "batches").glob("*.jsonl"))


def test_a_second_run_hands_in_nothing_while_a_batch_is_out(
    line: BatchLine, server: Server
) -> None:
    """Awaited answers are not asked again, even if the judge is now declared `live`."""
    line.ask()
    line.ask()
    catalog_at(line.folder / "catalog", server.url, via="live")
    line.catalog = BatchLine(line.folder).catalog
    assert line.ask().pending == 3
    assert server.state.requests["POST /batches"] == 1
    assert once(server)


def test_a_late_trace_gets_a_batch_of_its_own(line: BatchLine, server: Server) -> None:
    """A second run submits only questions that no open batch has."""
    line.ask()
    line.night("good", "bad", "good too", "late and good")
    assert line.ask().pending == 4
    assert [one.requests for one in line.read_jobs()] == [3, 1]
    assert once(server)


def test_batches_are_split_over_the_providers_limits(tmp_path: Path, server: Server) -> None:
    """No file holds more requests or bytes than allowed, and each names one model."""
    catalog_at(tmp_path / "catalog", server.url, max_requests=2)
    line = BatchLine(tmp_path)
    line.night("a", "b", "c", "d", "e")
    line.ask()
    assert sorted(one.requests for one in line.read_jobs()) == [1, 2, 2]
    catalog_at(tmp_path / "bytes" / "catalog", server.url, max_mb=0.005)
    line = BatchLine(tmp_path / "bytes")
    line.night(*(f"{n} " + "x" * 600 for n in range(4)))
    line.ask()
    assert len(line.read_jobs()) > 1
    assert all(one.size <= 5000 for one in line.read_jobs())
    for name in server.state.batches:
        assert {
            request_row["body"]["model"] for request_row in server.state.list_requests(name)
        } == {"m-2026-01-01"}
    server.state.finish()
    line.back()
    line.ask()
    assert len(line.verdicts()) == 4
    assert once(server)


def test_what_would_not_fit_in_the_queue_waits_written_down(tmp_path: Path, server: Server) -> None:
    """Enqueued tokens stay under the pin's limit; waiting jobs are submitted when there is room."""
    catalog_at(tmp_path / "catalog", server.url, max_requests=1, enqueued_tokens=150)
    line = BatchLine(tmp_path)
    line.night("good", "bad")
    line.ask()
    problems = {one.state: one.problem for one in line.read_jobs()}
    assert set(problems) == {"submitted", "intended"}
    assert "waits for room" in problems["intended"]
    server.state.finish()
    line.back()
    line.back()
    server.state.finish()
    line.back()
    assert line.ask().pending == 0
    assert once(server)


OTHER = "m-mini"
CONTEXT = "context_length_exceeded"


def rows_of(request_row: Row) -> list[Row]:
    """Every kind of row that batches have returned, by the trace's text."""
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


def test_every_row_is_checked(line: BatchLine, server: Server) -> None:
    """In a `completed` batch, too, a row is an answer, an error with its code, or only counted."""
    kinds = (
        "zero", "fault", "refused", "expired", "error", "other", "empty", "twice", "foreign",
        "missing", "healed", "poor", "long",
    )  # fmt: skip
    line.night(*(f"a {kind} good" for kind in kinds))
    line.ask()
    server.state.script = rows_of
    server.state.finish()
    (over,) = line.back()
    server.state.script = answer_line
    catalog = line.catalog
    line.catalog = catalog.model_copy(
        update={"judges": {"tone": catalog.judges["tone"].model_copy(update={"via": "live"})}}
    )
    codes = {answer.code for answer in line.answers()}
    assert codes == {
        "batch-row-failed", "refused-request", "batch-expired", "other-model",
        "malformed-response", "batch-missing", "quota-exhausted", "too-long", None,
    }  # fmt: skip
    assert codes - {None} <= models.FAULTS.keys(), "each says why"
    assert over.counts["second-row"] == 2  # one of them an error beside its answer
    assert over.counts["unknown-row"] == 1
    assert over.counts["answered"] == 3
    line.ask()
    verdicts = dict(zip(kinds, (line.verdicts()[f"t{i}"] for i in range(len(kinds))), strict=True))
    assert verdicts.pop("refused") == "error:refused-request"
    assert verdicts.pop("long") == "error:too-long"
    assert set(verdicts.values()) == {"pass"}, "what may pass another time was asked again, live"


def test_personal_data_in_a_batch_answer_is_redacted(line: BatchLine, server: Server) -> None:
    """Secrets in a model's answer are redacted by batch as they are live."""

    def tells(sent: Row) -> list[Row]:
        """A good answer that repeats an address."""
        (good,) = answer_line(sent)
        choice = good["response"]["body"]["choices"][0]["message"]
        choice["content"] = '{"critique": "wrote to ann.lee@example.org", "verdict": "pass"}'
        return [good]

    server.state.script = tells
    line.ask()
    server.state.finish()
    line.back()
    assert line.answers()
    assert not any("ann.lee@example.org" in str(answer.text) for answer in line.answers())


def test_what_expired_is_handed_in_again_a_few_times(line: BatchLine, server: Server) -> None:
    """Answers are stored; the rest is retried until its error is final."""
    line.ask()
    server.state.finish("expired", upto=1)
    line.back()
    assert Counter(a.code for a in line.answers()) == {None: 1, "batch-expired": 2}
    for _ in range(10):
        if not line.ask().pending:
            break
        server.state.finish("expired", upto=0)
        line.back()
    assert Counter(line.verdicts().values())["error:batch-expired"] == 2
    assert max(server.state.count_submissions().values()) == 5


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_batch_that_ended_otherwise_frees_its_questions(
    line: BatchLine, server: Server, status: str
) -> None:
    """Answers so far are stored and paid; the next run asks the rest."""
    line.ask()
    done = 2 if status == "cancelled" else 0
    server.state.finish(status, upto=done)
    (over,) = line.back()
    assert over.counts.get("answered", 0) == done
    assert line.ask().pending == 3 - done
    assert server.state.requests["POST /batches"] == 2


def test_a_batch_can_be_cancelled(line: BatchLine, server: Server) -> None:
    """The provider cancels it, and its answers so far are collected."""
    line.ask()
    (out,) = line.read_jobs()
    assert cancel_batch(line.lake, line.catalog, out, NOON).status == "cancelling"
    server.state.finish("cancelled", upto=1)
    line.back()
    assert Counter(a.code for a in line.answers()) == {None: 1, "batch-cancelled": 2}


@pytest.mark.parametrize("route", ["POST /files", "POST /batches"])
@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_a_faulty_hand_in_is_carried_on_and_pays_once(
    line: BatchLine, server: Server, route: str, status: int
) -> None:
    """After lost responses, 429s and faults the next run finds the batch, or creates it."""
    server.state.faults = [(route, status)]
    assert line.ask().pending == 3
    line.back(LATER)
    assert [one.state for one in line.read_jobs()] == ["submitted"]
    assert len(server.state.batches) == 1
    server.state.finish()
    line.back(LATER)
    line.ask()
    assert line.verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert once(server)


def test_a_batch_is_not_made_again_before_the_provider_must_have_listed_it(
    line: BatchLine, server: Server
) -> None:
    """After an unclear response no batch is created for a minute, since lists may lag."""
    server.state.faults = [("POST /batches", 500)]
    line.ask()
    line.back(NOON + timedelta(seconds=30))
    assert [one.state for one in line.read_jobs()] == ["creating"]
    line.back(NOON + timedelta(seconds=90))
    assert [one.state for one in line.read_jobs()] == ["submitted"]


def test_a_batch_is_found_on_a_later_page(line: BatchLine, server: Server) -> None:
    """A long list of other batches is read back to the time of ours."""
    server.state.faults = [("POST /batches", 0)]
    line.ask()
    for number in range(5):
        theirs = {**next(iter(server.state.batches.values())), "id": f"batch_x{number}"}
        server.state.batches[f"batch_x{number}"] = {**theirs, "metadata": None}
    server.state.page = 2
    line.back()
    assert [one.batch_id for one in line.read_jobs()] == ["batch_1"]


def test_a_refused_hand_in_ends_and_says_why(line: BatchLine, server: Server) -> None:
    """A request the provider refuses for good becomes errors, not a batch that never ends."""
    server.state.faults = [("POST /batches", 400)]
    line.ask()
    line.back()
    (over,) = line.read_jobs()
    assert over.state == "refused"
    assert "400" in over.problem
    assert {answer.code for answer in line.answers()} == {"batch-refused"}


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
def test_auto_takes_a_batch_where_the_deadline_allows(
    tmp_path: Path, via: str, outputs: int, now: datetime, way: str
) -> None:
    """Few questions and urgent nights go live; backfills and overdue nights go by batch."""
    catalog_at(tmp_path / "catalog", "http://127.0.0.1:1/v1", via=via)
    line = BatchLine(tmp_path)
    line.night(*map(str, range(outputs)))
    from evals.calls.requests import CallPlan
    from evals.evaluators.gold import GoldAndLabels
    from evals.worklist.worklist import NightTraces, build_worklist
    from tests.evals.calls.batch_night import NIGHT

    judge = line.judge
    work = build_worklist(
        line.lake, NightTraces(line.lake, NIGHT), judge, GoldAndLabels.of(line.folder, [])
    )
    assert judge.judge
    assert judge.pin
    plan: Any = CallPlan(work, judge.judge, judge.pin, None, line.lake)  # type: ignore[arg-type]
    limits = Route(line.lake, line.catalog, now).batch_limits(plan)
    assert ("live" if limits is None else "batch") == way
    again = dataclasses.replace(work, wanted=tuple(w._replace(attempts=1) for w in work.wanted))
    if via == "auto":
        retried = dataclasses.replace(plan, work=again)
        assert Route(line.lake, line.catalog, now).batch_limits(retried) is None
    work.contents.close()


def test_a_judge_by_batch_needs_a_model_that_takes_them(tmp_path: Path) -> None:
    """A judge that can only be asked live is rejected with the key to change."""
    catalog_at(tmp_path / "catalog", "http://127.0.0.1:1/v1")
    pins = tmp_path / "catalog" / "models.yaml"
    pins.write_text(pins.read_text().replace("  batch: {}\n", ""))
    with pytest.raises(CatalogError, match=r"tone\.yaml:\d+: via: 'm' takes no batches"):
        BatchLine(tmp_path)


STEPS = [
    (when, route)
    for route in ("POST /files", "POST /batches", "GET /batches/ID", "GET /files/ID/content")
    for when in ("before", "after")
]


@pytest.mark.slow
@pytest.mark.parametrize(("when", "route"), STEPS)
def test_killed_at_any_step_it_pays_once(
    line: BatchLine, server: Server, when: str, route: str
) -> None:
    """`kill -9` before and after the provider did each thing; the next run carries on."""
    step = "ask" if route.startswith("POST") else "back"
    if step == "back":
        line.ask()
        server.state.finish()
    server.state.stall = f"{when} {route}"
    command = [sys.executable, "-m", "tests.evals.calls.batch_night", str(line.folder), step]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert server.state.stalled.wait(60), "it came to the step"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    server.state.stall = ""
    if step == "ask":
        assert line.ask().pending == 3
        line.back(LATER)
        server.state.finish()
    line.back(LATER + timedelta(minutes=5))
    line.ask()
    assert line.verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert once(server)
    assert len(server.state.batches) == 1
    assert len(line.answers()) == 3
    assert spent(line) == (pytest.approx(sum(one.cost_usd for one in line.answers())), 3)


def test_a_death_between_its_two_writes_leaves_no_second_batch(
    line: BatchLine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of the same questions have the same name, and are submitted once."""
    monkeypatch.setattr(batch, "advance_job", None)
    with pytest.raises(TypeError):
        line.ask()
    monkeypatch.undo()
    (intended,) = line.read_jobs()
    assert intended.state == "intended"
    assert requests_path(line.lake, intended.tag).exists()
    line.ask()
    line.back()
    assert server.state.requests["POST /batches"] == 1
    assert live.CALL_ATTEMPTS
