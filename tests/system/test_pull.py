"""The night begins with a pull: end to end against a server that speaks Langfuse's API."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.evals.sources.api_server import PUBLIC, SECRET, World, add_score, add_trace, serve
from tests.system.helpdesk import create_team
from tests.system.judges import Judge
from tests.system.teams import Team, kill_group

NIGHT = (datetime.now(UTC) - timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Langfuse with forty traces of yesterday and a person's score."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", PUBLIC)
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", SECRET)
    world = World()
    for number in range(40):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    add_score(world, "lf-0003", NIGHT + timedelta(hours=1), "politeness")
    with serve(world):
        yield world


def puller(folder: Path, judge: Judge, world: World) -> Team:
    """The help desk, its traces in Langfuse."""
    team = create_team(folder, judge)
    team.inbox.mkdir()
    about = {"kind": "langfuse", "base_url": world.url, "app": "helpdesk"}
    about |= {"page_size": 5, "overlap_hours": 48}
    team.declare({"sources.yaml": {"ours": about}})
    return team


@pytest.mark.slow
def test_a_night_is_pulled_imported_and_reported(
    tmp_path: Path, judge: Judge, world: World
) -> None:
    """One command from the API to the report; then nothing is to do, until one comes late."""
    team = puller(tmp_path, judge, world)
    summary = team.run_nightly()
    night = NIGHT.date()
    assert summary["nights"] == [night.isoformat()]
    body = team.report(night, "helpdesk")
    assert (body["accounting"]["read"], body["accounting"]["accepted"]) == (40, 40)
    assert team.run_nightly()["nights"] == []
    add_trace(world, 77, NIGHT + timedelta(hours=2))
    assert team.run_nightly()["nights"] == [night.isoformat()]
    assert team.report(night, "helpdesk")["accounting"]["accepted"] == 41
    for path in team.home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.parametrize("pages", [1, 4, 9])
def test_a_pull_killed_between_pages_imports_what_an_unbroken_one_does(
    tmp_path: Path, judge: Judge, world: World, pages: int
) -> None:
    """`kill -9` after some pages, then again: the same rows, and no page asked for twice."""
    team = puller(tmp_path, judge, world)
    world.slow_s = 0.1
    process = team.start("pull")
    work = team.home / "pulls"
    while process.poll() is None and len(list(work.glob("*.work/*.gz"))) < pages:
        time.sleep(0.005)
    assert kill_group(process), "killed while it was pulling"
    world.slow_s = 0.0
    assert not list((team.home / "inbox").rglob("*.gz"))
    (done,) = team.run_json("pull")
    assert done["landed"] == 41
    listed = [path for path in world.requests if path.startswith("/api/public/traces?")]
    assert len(listed) <= 8 + 1  # the one in flight
    rows = team.run_json("import", str(team.home / "inbox"), "--assume-app", "helpdesk")
    assert sum(row["read"] for row in rows) == 40
    assert os.environ["LANGFUSE_SECRET_KEY"] == SECRET
