"""Promises of batches at other servers than our own: the shared benchmark's, and Azure's shapes."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from evals.calls.routing import cancel_batch
from tests.evals.calls.batch_night import NOON, BatchLine, catalog_at
from tests.evals.calls.fake import faulty
from tests.evals.models.batch_server import Row, Server, answer_line, serve_batches

SOON_S = 20.0
KEY = "azure-key"
VERSION = "2024-10-21"


def until_back(line: BatchLine) -> None:
    """Collects until no batch is open."""
    end = time.monotonic() + SOON_S
    while any(one.is_open for one in line.read_jobs()):
        assert time.monotonic() < end, [dataclasses.asdict(one) for one in line.read_jobs()]
        line.back()
        time.sleep(0.05)


def test_the_shared_server_s_batches_are_taken_back_whole(tmp_path: Path) -> None:
    """A night of 300 over 3 files, a tenth of their rows failed: those alone are asked again."""
    with faulty("--batch-delay", "0.3", "--batch-fail-rate", "0.1") as fake:
        catalog_at(tmp_path / "catalog", fake.url, max_requests=120)
        line = BatchLine(tmp_path)
        line.night(*(f"answer {n}" for n in range(300)))
        assert line.ask().pending == 300
        until_back(line)
        counts = sum((Counter(one.counts) for one in line.read_jobs()), Counter[str]())
        assert counts["answered"] + counts["batch-row-failed"] == 300
        assert 0 < counts["batch-row-failed"] < 75
        again = line.ask()
        assert (again.pending, again.passed + again.failed) == (
            counts["batch-row-failed"], counts["answered"],
        )  # fmt: skip
        until_back(line)
        stats = fake.stats()
    assert sum(one.requests for one in line.read_jobs()) == 300 + counts["batch-row-failed"]
    assert stats["unique_bodies"] == 300
    assert stats["repeat_bodies"] == counts["batch-row-failed"], "an answer is paid once"
    assert stats["count"] == 0, "nothing went live"
    kept = [one for one in line.answers() if one.code is None]
    assert len(kept) == counts["answered"]
    assert sum(one.usd for one in line.read_jobs()) == pytest.approx(
        sum(one.cost_usd for one in kept)
    )


def test_a_batch_of_the_shared_server_is_cancelled_half_way(tmp_path: Path) -> None:
    """Answers so far are stored and paid; the rest may be asked again."""
    with faulty("--batch-delay", "2") as fake:
        catalog_at(tmp_path / "catalog", fake.url)
        line = BatchLine(tmp_path)
        line.night(*(f"answer {n}" for n in range(60)))
        line.ask()
        time.sleep(0.8)
        (out,) = line.read_jobs()
        assert cancel_batch(line.lake, line.catalog, out, NOON).status == "cancelling"
        until_back(line)
        (over,) = line.read_jobs()
        done = over.counts["answered"]
        assert 0 < done < 60
        assert over.counts["batch-cancelled"] == 60 - done
        assert line.ask().pending == 60 - done
        until_back(line)
        line.ask()
        assert fake.stats()["repeat_bodies"] == 0
    assert len(line.verdicts()) == 60


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A resource on Azure, which names the model behind a deployment in its answers."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    with serve_batches() as running:
        running.state.azure = True
        running.state.script = by_deployment
        yield running


def by_deployment(line: Row) -> list[Row]:
    """A row as Azure answers it."""
    (row,) = answer_line(line)
    row["response"]["body"]["model"] = "m-2026-01-01"
    return [row]


def line_on(azure: Server, folder: Path) -> BatchLine:
    """A team whose judge is deployed there, with three answers in its night."""
    where = {
        "endpoint": azure.url.removesuffix("/v1"),
        "deployment": "judge-batch",
        "api_version": VERSION,
    }
    catalog_at(folder / "catalog", "", azure=where)
    line = BatchLine(folder)
    line.night("good", "bad", "good too")
    return line


def test_a_deployment_on_azure_takes_batches_in_azure_s_shapes(
    azure: Server, tmp_path: Path
) -> None:
    """Files and batches lie beside deployments, rows name the deployment, and the model answers."""
    azure.state.reading = 2
    line = line_on(azure, tmp_path)
    assert line.ask().pending == 3
    (batch,) = azure.state.batches.values()
    assert batch["endpoint"] == "/chat/completions"
    rows = azure.state.list_requests(batch["id"])
    assert {(row["method"], row["url"]) for row in rows} == {("POST", "/chat/completions")}
    assert {row["body"]["model"] for row in rows} == {"judge-batch"}
    assert azure.state.keys == {KEY}
    azure.state.finish()
    (over,) = line.back()
    assert (over.state, over.counts) == ("collected", {"answered": 3})
    line.ask()
    assert line.verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
    assert {one.model_answered for one in line.answers()} == {"m-2026-01-01"}
    assert set(azure.state.count_submissions().values()) == {1}
    assert azure.state.live == 0


def test_without_metadata_a_batch_is_found_again_by_its_file(azure: Server, tmp_path: Path) -> None:
    """A batch whose creation got no response is found, not created and paid twice."""
    azure.state.faults = [("POST /batches", 0)]
    line = line_on(azure, tmp_path)
    line.ask()
    line.back(NOON + timedelta(hours=1))
    assert [one.state for one in line.read_jobs()] == ["submitted"]
    assert len(azure.state.batches) == 1


def test_a_file_that_is_not_read_yet_is_left_to_the_next_look(
    azure: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure refuses a batch while it processes the file: the batch is created afterwards."""
    monkeypatch.setattr("evals.calls.batch.READ_WAITS_S", (0.01,))
    azure.state.reading = 4
    line = line_on(azure, tmp_path)
    line.ask()
    (waits,) = line.read_jobs()
    assert (waits.state, waits.problem) == ("uploaded", "waits for the provider to read its file")
    assert azure.state.requests["POST /batches"] == 0
    line.back()
    assert [one.state for one in line.read_jobs()] == ["submitted"]
    assert azure.state.requests["POST /files"] == 1
