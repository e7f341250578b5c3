"""Fixtures: one judge server a worker, and one undisturbed fortnight that tests copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.line import BAD, NIGHTS, Judge, Line, rotten, serving, team, traces


class Fortnight(NamedTuple):
    """A run over fourteen nights that nothing disturbed."""

    line: Line
    summary: dict[str, Any]
    """What `andon nightly --json` printed."""
    calls: list[dict[str, Any]]


@pytest.fixture(scope="session")
def judge_of_worker() -> Iterator[Judge]:
    """The server all tests of this process share."""
    with serving() as server:
        yield server


@pytest.fixture
def judge(judge_of_worker: Judge) -> Judge:
    """The server, well and at full speed."""
    judge_of_worker.call("/repair", {})
    judge_of_worker.call("/pace", {"latency_s": 0.0})
    return judge_of_worker


@pytest.fixture(scope="session")
def fortnight(judge_of_worker: Judge, tmp_path_factory: pytest.TempPathFactory) -> Fortnight:
    """Fourteen nights in one run; the help desk's seventh has too many bad rows."""
    line = team(tmp_path_factory.mktemp("fortnight"), judge_of_worker)
    for night in NIGHTS:
        rows = traces(night)
        line.export(f"{night}.jsonl", rotten(rows) if night == BAD else rows)
    before = judge_of_worker.count()
    summary = line.run("nightly")
    return Fortnight(line, summary, judge_of_worker.asked(before))


@pytest.fixture
def copied(fortnight: Fortnight, tmp_path: Path) -> Callable[[], Line]:
    """Copies of the fortnight, each with its own home, catalog and inbox."""
    number = iter(range(100))
    return lambda: fortnight.line.copy(tmp_path / f"copy{next(number)}")
