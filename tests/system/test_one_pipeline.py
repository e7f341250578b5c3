"""The same nights by the command line and by Dagster alone: nothing happens in one of them only."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from evals.privacy import id_hashes
from evals.storage.documents import forget_requests
from evals.storage.lake import Lake
from orchestration.runtime.instance import SETTINGS
from tests.system.helpdesk import NIGHTS, build_night, build_question, create_team
from tests.system.judges import Judge
from tests.system.teams import ROOT, Team, build_environment

USER = "user-of-the-first-night"
RAW = "inbox/pulled/desk/old.jsonl.gz"
YEAR_S = 365 * 86400

pytestmark = pytest.mark.slow


def declare(folder: Path, judge: Judge) -> Team:
    """A team whose raw room has a year-old export, with a key of its own for user ids."""
    team = create_team(folder, judge)
    id_hashes.load_user_key(Lake(team.home).open())
    path = team.home / RAW
    path.parent.mkdir(parents=True)
    row = build_question(NIGHTS[0], 40, "Do you repair clocks?", user_id=USER)
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    os.utime(path, (time.time() - YEAR_S, time.time() - YEAR_S))
    team.export("first.jsonl", build_night(NIGHTS[0]))
    return team


def run_command(team: Team, *_: date) -> None:
    """What is due, by the command line."""
    assert team.run_nightly()["failures"] == []


def run_job(team: Team, first: date, last: date) -> None:
    """A range of nights by the scheduled job, executed by Dagster's own command."""
    home = team.home / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(SETTINGS)
    environment = build_environment() | {
        "ANDON_HOME": str(team.home),
        "ANDON_CATALOG": str(team.catalog),
        "ANDON_INBOX": str(team.inbox),
        "DAGSTER_HOME": str(home),
    }
    tags = {
        f"dagster/asset_partition_range_{end}": f"{night}"
        for end, night in (("start", first), ("end", last))
    }
    job = ["job", "execute", "-m", "orchestration.definitions", "-j", "nightly"]
    command = [sys.executable, "-m", "dagster", *job, "--tags", json.dumps(tags)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_dagster_alone_does_what_the_command_does(judge: Judge, tmp_path: Path) -> None:
    """Three nights: the same reports to the byte, old raw files deleted, an erasure completed."""
    by_command = declare(tmp_path / "command", judge)
    by_job = by_command.copy_to(tmp_path / "job")
    reports = []
    for team, run in ((by_command, run_command), (by_job, run_job)):
        run(team, NIGHTS[0], NIGHTS[0])
        assert team.read_reports(), run
        assert not (team.home / RAW).exists(), run
        lake = Lake(team.home)
        forget_requests.write_request(
            lake, forget_requests.ErasureRequest("2026-03-02T06:00:00+00:00", (USER,))
        )
        for night in NIGHTS[1:3]:
            team.export(f"{night}.jsonl", build_night(night))
        run(team, NIGHTS[1], NIGHTS[2])
        assert forget_requests.list_unfinished(lake) == [], run
        assert len(lake.read("traces", [NIGHTS[0]])) == len(build_night(NIGHTS[0]))
        reports.append(team.read_reports())
    assert {name.split("/")[0] for name in reports[0]} == {f"{night}" for night in NIGHTS[:3]}
    assert reports[0] == reports[1]
