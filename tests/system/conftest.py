"""Fixtures: one judge server a worker, and one undisturbed fortnight that tests copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.helpdesk import BAD, NIGHTS, build_night, create_team, spoil_rows
from tests.system.judges import Judge, serve_judge
from tests.system.teams import Team, kill_started


class Fortnight(NamedTuple):
    """A run over fourteen nights that nothing disturbed."""

    team: Team
    summary: dict[str, Any]
    """What `andon nightly --json` printed."""
    calls: list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _started_commands() -> Iterator[None]:
    """Ends the commands that a test has started."""
    yield
    kill_started()


@pytest.fixture(scope="session")
def judge_of_worker() -> Iterator[Judge]:
    """The server all tests of this process share."""
    with serve_judge() as server:
        yield server


@pytest.fixture
def judge(judge_of_worker: Judge) -> Judge:
    """The server, well and at full speed."""
    judge_of_worker.request("/repair", {})
    judge_of_worker.request("/pace", {"latency_s": 0.0})
    return judge_of_worker


@pytest.fixture(scope="session")
def fortnight(judge_of_worker: Judge, tmp_path_factory: pytest.TempPathFactory) -> Fortnight:
    """Fourteen nights in one run; the help desk's seventh has too many bad rows."""
    team = create_team(tmp_path_factory.mktemp("fortnight"), judge_of_worker)
    for night in NIGHTS:
        rows = build_night(night)
        team.export(f"{night}.jsonl", spoil_rows(rows) if night == BAD else rows)
    before = judge_of_worker.count_calls()
    summary = team.run_nightly()
    return Fortnight(team, summary, judge_of_worker.list_calls(before))


@pytest.fixture
def copied(fortnight: Fortnight, tmp_path: Path) -> Callable[[], Team]:
    """Copies of the fortnight, each with its own home, catalog and inbox."""
    number = iter(range(100))
    return lambda: fortnight.team.copy_to(tmp_path / f"copy{next(number)}")
