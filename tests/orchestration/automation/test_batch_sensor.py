"""What the sensor of batches starts, and what it does not start twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, fresh


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the sensor said, by the moment."""
    folder = tmp_path_factory.mktemp("batches")
    environment = {**fresh(folder / "home"), "ANDON_CATALOG": str(folder / "catalog")}
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


def test_it_starts_nothing_while_nothing_is_back(said: dict[str, Any]) -> None:
    """No batch, two that are out, a provider that cannot be reached: each is said."""
    assert said["none"] == {"requests": [], "why": "no batch is under way"}
    assert said["out"] == {"requests": [], "why": "2 batches under way, 0 of 3 requests done"}
    assert said["taken in"]["requests"] == []
    assert said["taken in"]["why"] == "1 batch under way, 0 of 1 requests done"


def test_a_batch_that_is_back_runs_its_nights_once(said: dict[str, Any]) -> None:
    """The night it was handed in for and those that ask the same, each under one key till then."""
    requests = said["back"]["requests"]
    assert {one["job"] for one in requests} == {"nightly"}
    assert [one["night"] for one in requests] == ["2026-10-01", "2026-10-02", "2026-10-03"]
    assert all(one["key"].endswith(f"-{one['night']}") for one in requests)
    assert len({one["key"] for one in requests}) == 3
    assert said["looked again"]["requests"] == requests
    assert said["taken in"]["taken"] == ["2026-10-01"]


def test_a_batch_that_expired_is_over_too(said: dict[str, Any]) -> None:
    """Its night runs under a key of its own, and what was heard of it holds."""
    requests = said["other back"]["requests"]
    assert "2026-10-02" in [one["night"] for one in requests]
    before = {one["key"] for one in said["back"]["requests"]}
    assert not before & {one["key"] for one in requests}
    assert said["gone"]["requests"] == requests
