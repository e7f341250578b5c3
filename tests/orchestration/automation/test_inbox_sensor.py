"""What the inbox sensor starts, and what it does not start twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, fresh


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the sensor said, by the moment."""
    folder = tmp_path_factory.mktemp("sensing")
    (folder / "inbox").mkdir()
    environment = {**fresh(folder / "home"), "ANDON_INBOX": str(folder / "inbox")}
    program = str(Path(__file__).with_name("sense.py"))
    command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_starts_nothing_without_a_reason_to(said: dict[str, Any]) -> None:
    """Nothing new, a file still being written, a run under way: each is said."""
    assert "nothing new" in said["empty"]["why"]
    assert "a.jsonl is still being written" in said["being written"]["why"]
    assert "under way" in said["under way"]["why"]
    for moment in ("empty", "being written", "under way", "asked already", "run"):
        assert said[moment]["requests"] == []
    assert "nothing new" in said["run"]["why"]


def test_new_files_are_read_once_and_their_nights_run_once(said: dict[str, Any]) -> None:
    """One reading for a set of files, then one run over the nights."""
    (reading,) = said["new"]["requests"]
    assert reading["job"] == "read_inbox"
    assert reading["key"].startswith("files-")
    (night,) = said["read"]["requests"]
    assert night["job"] == "nightly"
    assert night["tags"]["dagster/asset_partition_range_start"] == "2026-10-01"
    assert night["tags"]["dagster/asset_partition_range_end"] == "2026-10-02"


def test_what_a_run_left_to_do_is_asked_for_again_an_hour_later(said: dict[str, Any]) -> None:
    """A run that died, a provider that was down: another key, for files and for nights."""
    before, after = said["by hour"]
    assert [key.split("-")[0] for key in before] == ["files", "nights"]
    assert not set(before) & set(after)
