"""Promises of batches at the shared benchmark's server and at Azure."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from evals.calls.routing import cancel_batch
from tests.evals.calls.batch_night import NOON, BatchTeam, write_batch_catalog
from tests.evals.calls.fake import start_bench_server
from tests.evals.models.batch_server import Row, Server, answer_line, serve_batches

SOON_S = 20.0
KEY = "azure-key"
VERSION = "2024-10-21"


def collect_all(team: BatchTeam) -> None:
    """Collects until no batch is open."""
    end = time.monotonic() + SOON_S
    while any(job.is_open for job in team.read_jobs()):
        assert time.monotonic() < end, [dataclasses.asdict(job) for job in team.read_jobs()]
        team.collect()
        time.sleep(0.05)


def test_the_shared_server_s_batches_are_collected_whole(tmp_path: Path) -> None:
    """A night of 300 over 3 files, a tenth of their rows failed: those alone are sent again."""
    with start_bench_server("--batch-delay", "0.3", "--batch-fail-rate", "0.1") as fake:
        write_batch_catalog(tmp_path / "catalog", fake.url, max_requests=120)
        team = BatchTeam(tmp_path)
        team.write_night(*(f"answer {n}" for n in range(300)))
        assert team.score().pending == 300
        collect_all(team)
        counts = sum((Counter(job.counts) for job in team.read_jobs()), Counter[str]())
        assert counts["answered"] + counts["batch-row-failed"] == 300
        assert 0 < counts["batch-row-failed"] < 75
        again = team.score()
        assert (again.pending, again.passed + again.failed) == (
            counts["batch-row-failed"], counts["answered"],
        )  # fmt: skip
        collect_all(team)
        stats = fake.read_stats()
    assert sum(job.requests for job in team.read_jobs()) == 300 + counts["batch-row-failed"]
    assert stats["unique_bodies"] == 300
    assert stats["repeat_bodies"] == counts["batch-row-failed"], "an answer is paid once"
    assert stats["count"] == 0, "nothing was sent live"
    answered = [answer for answer in team.read_answers() if answer.code is None]
    assert len(answered) == counts["answered"]
    assert sum(job.usd for job in team.read_jobs()) == pytest.approx(
        sum(answer.cost_usd for answer in answered)
    )


def test_a_batch_of_the_shared_server_is_cancelled_half_way(tmp_path: Path) -> None:
    """Answers so far are stored and paid; the rest may be sent again."""
    with start_bench_server("--batch-delay", "2") as fake:
        write_batch_catalog(tmp_path / "catalog", fake.url)
        team = BatchTeam(tmp_path)
        team.write_night(*(f"answer {n}" for n in range(60)))
        team.score()
        time.sleep(0.8)
        (submitted,) = team.read_jobs()
        assert cancel_batch(team.lake, team.catalog, submitted, NOON).status == "cancelling"
        collect_all(team)
        (collected,) = team.read_jobs()
        answered = collected.counts["answered"]
        assert 0 < answered < 60
        assert collected.counts["batch-cancelled"] == 60 - answered
        assert team.score().pending == 60 - answered
        collect_all(team)
        team.score()
        assert fake.read_stats()["repeat_bodies"] == 0
    assert len(team.read_verdicts()) == 60


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves an Azure resource, which names a deployment's model in its answers."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with serve_batches() as running:
        running.state.azure = True
        running.state.script = answer_as_deployment
        yield running


def answer_as_deployment(line: Row) -> list[Row]:
    """Answers a row as Azure does."""
    (row,) = answer_line(line)
    row["response"]["body"]["model"] = "m-2026-01-01"
    return [row]


def open_azure_team(azure: Server, folder: Path) -> BatchTeam:
    """Opens a team whose judge is deployed there, with three answers in its night."""
    where = {
        "endpoint": azure.url.removesuffix("/v1"),
        "deployment": "judge-batch",
        "api_version": VERSION,
    }
    write_batch_catalog(folder / "catalog", "", azure=where)
    team = BatchTeam(folder)
    team.write_night("good", "bad", "good too")
    return team


def test_a_deployment_on_azure_takes_batches_in_azure_s_shapes(
    azure: Server, tmp_path: Path
) -> None:
    """Paths have no deployment, rows name it, and answers name the model."""
    azure.state.reading = 2
    team = open_azure_team(azure, tmp_path)
    assert team.score().pending == 3
    (batch,) = azure.state.batches.values()
    assert batch["endpoint"] == "/chat/completions"
    rows = azure.state.list_requests(batch["id"])
    assert {(row["method"], row["url"]) for row in rows} == {("POST", "/chat/completions")}
    assert {row["body"]["model"] for row in rows} == {"judge-batch"}
    assert azure.state.keys == {KEY}
    azure.state.finish()
    (collected,) = team.collect()
    assert (collected.state, collected.counts) == ("collected", {"answered": 3})
    team.score()
    assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert {answer.model_answered for answer in team.read_answers()} == {"m-2026-01-01"}
    assert set(azure.state.count_submissions().values()) == {1}
    assert azure.state.live == 0


def test_a_batch_without_metadata_is_recognised_by_its_file(azure: Server, tmp_path: Path) -> None:
    """A batch whose creation got no response is not created and paid twice."""
    azure.state.faults = [("POST /batches", 0)]
    team = open_azure_team(azure, tmp_path)
    team.score()
    team.collect(NOON + timedelta(hours=1))
    assert [job.state for job in team.read_jobs()] == ["submitted"]
    assert len(azure.state.batches) == 1


def test_an_unprocessed_file_waits_for_the_next_collection(
    azure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure refuses a batch while it processes the file: the batch is created afterwards."""
    monkeypatch.setattr("evals.calls.batch.READ_WAITS_S", (0.01,))
    azure.state.reading = 4
    team = open_azure_team(azure, tmp_path)
    team.score()
    (uploaded,) = team.read_jobs()
    assert (uploaded.state, uploaded.problem) == (
        "uploaded",
        "waits for the provider to read its file",
    )
    assert azure.state.requests["POST /batches"] == 0
    team.collect()
    assert [job.state for job in team.read_jobs()] == ["submitted"]
    assert azure.state.requests["POST /files"] == 1
