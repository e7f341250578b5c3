"""A request to forget survives any death: nothing was begun, or the next run completes it.

Where `ANDON_KILLS` is set it dies at every operation on files and every 50 ms, else at a few.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.planting import CANARY, USER, Planted, list_files_with, plant_person
from tests.system.teams import ROOT, Team, kill_group

ALL = "ANDON_KILLS" in os.environ
OPERATIONS = 10**6 if ALL else 6
STEP_S = 0.05
RUNS_EACH = 50
"""After the first of so many deaths the command and a night are run as well."""
MOMENTS = 1000 if ALL else 3
TRACE = "desk-0301-001"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A home with the person in it, made once."""
    with plant_person(tmp_path_factory.mktemp("planted")) as made:
        yield made


def list_remains(home: Path) -> list[str]:
    """Returns the files that still contain the person's data, and leftover temporary files."""
    files = {name for word in (CANARY, USER, TRACE) for name in list_files_with(home, word)}
    return sorted(files | {path.name for path in home.rglob("*.aside*")})


def read_contents(home: Path) -> dict[str, bytes]:
    """Returns a home's files without locks, temporary files and SQLite's side files."""
    files = (path for path in home.rglob("*") if path.is_file())
    apart = (".aside", ".lock", "-wal", "-shm")
    lasting = (path for path in files if not path.name.endswith(apart) and path.name != "use")
    return {str(path.relative_to(home)): path.read_bytes() for path in lasting}


@pytest.mark.slow
def test_forgetting_killed_at_any_operation_is_not_begun_or_completed(
    planted: Planted, tmp_path: Path
) -> None:
    """At a renaming, a removal, a statement of SQLite's, or a file just opened and still empty."""
    team = planted.team.copy_to(tmp_path / "copy")
    before, early, rows = read_contents(team.home), 0, 0
    for row in kill_at_operations(team):
        copy, rows = Team(Path(row["folder"])), rows + 1
        assert row["ended"] == -9, row
        assert row["again"] == 0, row
        if row["begun"] or not list_files_with(copy.home, CANARY):
            assert list_remains(copy.home) == [], row
        else:
            early += 1
            assert read_contents(copy.home) == before, row
        if row["at"] % RUNS_EACH == 1 or row["at"] == row["total"]:
            assert copy.run_json("forget", "--user", USER, "--yes")["done"]
            assert copy.run_nightly()["nights"] == []
            assert list_remains(copy.home) == []
        shutil.rmtree(copy.folder)
    logging.warning("died at %d operations, %d of them before it was recorded", rows, early)
    assert 0 < early < rows / 2


def kill_at_operations(team: Team) -> Iterator[dict[str, Any]]:
    """Kills the command at each chosen operation, each on its own copy; yields what came of it."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.system.dying", str(team.folder), USER]
    with subprocess.Popen(
        [*command, str(OPERATIONS)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    assert process.returncode == 0


@pytest.mark.slow
def test_the_next_night_completes_a_killed_request(planted: Planted, tmp_path: Path) -> None:
    """`kill -9` of the command: what was recorded is done by `andon nightly`, and the home runs."""
    begun = 0
    for number in range(MOMENTS):
        team = planted.team.copy_to(tmp_path / f"copy{number}")
        process, began = team.start("forget", "--user", USER, "--yes"), time.monotonic()
        after = number * STEP_S if ALL else number * 0.25
        while process.poll() is None and time.monotonic() - began < after:
            time.sleep(0.002)
        alive = kill_group(process)
        time.sleep(0.2)  # the warm server notices, and kills what it forked
        notes = list((team.home / "quarantine" / "forgetting").glob("*.json"))
        begun += len(notes)
        assert all(note.stat().st_mode & 0o777 == 0o600 for note in notes)
        assert team.run_nightly()["nights"] == []
        if notes or not alive:
            assert list_remains(team.home) == [], f"after {after:.2f} s"
        else:
            still = {
                name for name in list_files_with(team.home, CANARY) if not name.endswith(".aside")
            }
            assert still == {*list_files_with(planted.team.home, CANARY)}
        logging.warning("kill after %.2f s: alive %s, noted %d", after, alive, len(notes))
        if not alive:
            break
    assert begun or not ALL
