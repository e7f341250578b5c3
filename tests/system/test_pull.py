"""The night begins with a pull: end to end against a server that speaks Langfuse's API."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.evals.sources.api_server import PUBLIC, SECRET, World, add_score, add_trace, serve
from tests.system.line import Judge, Line, kill, team

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


def puller(folder: Path, judge: Judge, world: World) -> Line:
    """The help desk, its traces in Langfuse."""
    line = team(folder, judge)
    line.inbox.mkdir()
    about = {"kind": "langfuse", "base_url": world.url, "app": "helpdesk"}
    about |= {"page_size": 5, "overlap_hours": 48}
    (line.catalog / "sources.yaml").write_text(yaml.safe_dump({"ours": about}))
    return line


@pytest.mark.slow
def test_a_night_is_pulled_imported_and_reported(
    tmp_path: Path, judge: Judge, world: World
) -> None:
    """One command from the API to the report; then nothing is to do, until one comes late."""
    line = puller(tmp_path, judge, world)
    summary = line.run("nightly")
    night = NIGHT.date()
    assert summary["nights"] == [night.isoformat()]
    body = line.report(night)
    assert (body["accounting"]["read"], body["accounting"]["accepted"]) == (40, 40)
    assert line.run("nightly")["nights"] == []
    add_trace(world, 77, NIGHT + timedelta(hours=2))
    assert line.run("nightly")["nights"] == [night.isoformat()]
    assert line.report(night)["accounting"]["accepted"] == 41
    for path in line.home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.parametrize("pages", [1, 4, 9])
def test_a_pull_killed_between_pages_imports_what_an_unbroken_one_does(
    tmp_path: Path, judge: Judge, world: World, pages: int
) -> None:
    """`kill -9` after some pages, then again: the same rows, and no page asked for twice."""
    line = puller(tmp_path, judge, world)
    world.slow_s = 0.1
    process = line.start("pull")
    work = line.home / "pulls"
    while process.poll() is None and len(list(work.glob("*.work/*.gz"))) < pages:
        time.sleep(0.005)
    assert kill(process), "killed while it was pulling"
    world.slow_s = 0.0
    assert not list((line.home / "inbox").rglob("*.gz"))
    (done,) = line.run("pull")
    assert done["landed"] == 41
    listed = [path for path in world.requests if path.startswith("/api/public/traces?")]
    assert len(listed) <= 8 + 1  # the one in flight
    rows = line.run("import", str(line.home / "inbox"), "--assume-app", "helpdesk")
    assert sum(row["read"] for row in rows) == 40
    assert os.environ["LANGFUSE_SECRET_KEY"] == SECRET
