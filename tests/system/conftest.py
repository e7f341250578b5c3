"""Fixtures: one judge server a worker, and eight undisturbed nights that tests copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.helpdesk import BAD, NIGHTS, build_night, create_team, spoil_rows
from tests.system.judges import Judge, serve_judge
from tests.system.teams import Team, kill_started


class EightNights(NamedTuple):
    """A run over eight nights that nothing disturbed."""

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
def eight_nights(judge_of_worker: Judge, tmp_path_factory: pytest.TempPathFactory) -> EightNights:
    """Eight nights in one run; the help desk's seventh has too many bad rows."""
    team = create_team(tmp_path_factory.mktemp("eight_nights"), judge_of_worker)
    for night in NIGHTS:
        rows = build_night(night)
        team.export(f"{night}.jsonl", spoil_rows(rows) if night == BAD else rows)
    before = judge_of_worker.count_calls()
    summary = team.run_nightly()
    return EightNights(team, summary, judge_of_worker.list_calls(before))


@pytest.fixture
def copied(eight_nights: EightNights, tmp_path: Path) -> Callable[[], Team]:
    """Copies of the eight nights, each with its own home, catalog and inbox."""
    number = iter(range(100))
    return lambda: eight_nights.team.copy_to(tmp_path / f"copy{next(number)}")
