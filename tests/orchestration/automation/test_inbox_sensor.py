"""Promises of the inbox sensor: it reads new files and runs their nights, once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, clean_environment


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sensor's results by moment."""
    folder = tmp_path_factory.mktemp("sensing")
    (folder / "inbox").mkdir()
    environment = {**clean_environment(folder / "home"), "ANDON_INBOX": str(folder / "inbox")}
    program = str(Path(__file__).with_name("sense.py"))
    command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_run_starts_without_new_files(moments: dict[str, Any]) -> None:
    """The sensor gives its reason: nothing new, a file being written, a run under way."""
    assert "nothing new" in moments["empty"]["why"]
    assert "a.jsonl is still being written" in moments["being written"]["why"]
    assert "under way" in moments["under way"]["why"]
    for moment in ("empty", "being written", "under way", "requested already", "run"):
        assert moments[moment]["requests"] == []
    assert "nothing new" in moments["run"]["why"]


def test_new_files_are_read_once_and_their_nights_run_once(moments: dict[str, Any]) -> None:
    """One run reads a set of files, then one run evaluates their nights."""
    (read,) = moments["new"]["requests"]
    assert read["job"] == "read_inbox"
    assert read["key"].startswith("files-")
    (night,) = moments["read"]["requests"]
    assert night["job"] == "nightly"
    assert night["tags"]["dagster/asset_partition_range_start"] == "2026-10-01"
    assert night["tags"]["dagster/asset_partition_range_end"] == "2026-10-02"


def test_unfinished_work_is_requested_again_an_hour_later(moments: dict[str, Any]) -> None:
    """In another hour the run keys of files and nights differ."""
    before, after = moments["by hour"]
    assert [key.split("-")[0] for key in before] == ["files", "nights"]
    assert not set(before) & set(after)
