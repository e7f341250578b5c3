"""Promises of the batch sensor: it runs the nights of ended batches, once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, clean_environment


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sensor's results by moment."""
    folder = tmp_path_factory.mktemp("batches")
    environment = {**clean_environment(folder / "home"), "ANDON_CATALOG": str(folder / "catalog")}
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        FOREIGN,
        "-m",
        "tests.orchestration.automation.sense_batches",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_run_starts_while_no_batch_has_ended(moments: dict[str, Any]) -> None:
    """Without batches or with open ones the sensor starts nothing and gives the reason."""
    assert moments["none"] == {"requests": [], "why": "no batch is under way"}
    assert moments["out"] == {"requests": [], "why": "2 batches under way, 0 of 3 requests done"}
    assert moments["taken in"]["requests"] == []
    assert moments["taken in"]["why"] == "1 batch under way, 0 of 1 requests done"


def test_an_ended_batch_runs_its_nights_once(moments: dict[str, Any]) -> None:
    """Its own night and nights with the same answers run, each under one key until it is read."""
    requests = moments["back"]["requests"]
    assert {run["job"] for run in requests} == {"nightly"}
    assert [run["night"] for run in requests] == ["2026-10-01", "2026-10-02", "2026-10-03"]
    assert all(run["key"].endswith(f"-{run['night']}") for run in requests)
    assert len({run["key"] for run in requests}) == 3
    assert moments["looked again"]["requests"] == requests
    assert moments["taken in"]["taken"] == ["2026-10-01"]


def test_an_expired_batch_has_ended(moments: dict[str, Any]) -> None:
    """Its night runs under another key, and its state is kept when the provider is gone."""
    requests = moments["other back"]["requests"]
    assert "2026-10-02" in [run["night"] for run in requests]
    before = {run["key"] for run in moments["back"]["requests"]}
    assert not before & {run["key"] for run in requests}
    assert moments["gone"]["requests"] == requests
