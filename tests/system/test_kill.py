"""Death at any moment costs nothing but the calls in flight."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system.helpdesk import CONCURRENCY, NIGHTS, build_night, create_team, spoil_rows
from tests.system.judges import Judge
from tests.system.teams import Team, kill_group

KILLS = int(os.environ.get("ANDON_KILLS", "3"))
LATENCY_S = 0.15


class Undisturbed(NamedTuple):
    """What two nights come to when nobody interferes."""

    reports: dict[str, bytes]
    calls: int
    seconds: float


def two_nights(folder: Path, judge: Judge) -> Team:
    """A team with two nights in its inbox, one of them with bad rows."""
    team = create_team(folder, judge)
    first, second = (build_night(night, questions=8) for night in NIGHTS[:2])
    team.export("first.jsonl", [*first, *spoil_rows(first)[:1]])
    team.export("second.jsonl", second)
    return team


@pytest.fixture(scope="module")
def undisturbed(
    judge_of_worker: Judge, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Undisturbed]:
    """The run that all the killed ones are compared with."""
    known: list[Undisturbed] = []

    def find() -> Undisturbed:
        if not known:
            team = two_nights(tmp_path_factory.mktemp("undisturbed"), judge_of_worker)
            before, began = judge_of_worker.count_calls(), time.monotonic()
            team.run_nightly()
            calls = judge_of_worker.count_calls() - before
            known.append(Undisturbed(team.read_reports(), calls, time.monotonic() - began))
        return known[0]

    return find


def moment(number: int, seconds: float, calls: int) -> tuple[float, int]:
    """When the run is killed: seconds from its start, or, every other time, at one of its calls."""
    chance = random.Random(20260301 + number)
    part = (number // 2 + chance.random()) / max(1, (KILLS + 1) // 2)
    return (part * seconds, calls + 1) if number % 2 else (3 * seconds, 1 + int(part * calls))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_any_moment_and_run_again_gives_the_same_report_bytes(
    number: int,
    judge: Judge,
    undisturbed: Callable[[], Undisturbed],
    tmp_path: Path,
) -> None:
    """`kill -9`, then again: the same versions and bytes, and only calls in flight paid twice."""
    judge.request("/pace", {"latency_s": LATENCY_S})
    whole = undisturbed()
    after_s, after_calls = moment(number, whole.seconds, whole.calls)
    team, before, began = two_nights(tmp_path, judge), judge.count_calls(), time.monotonic()
    process = team.start_nightly()
    while (
        process.poll() is None
        and time.monotonic() - began < after_s
        and judge.count_calls() - before < after_calls
    ):
        time.sleep(0.02)
    alive, died = kill_group(process), time.monotonic()
    at_death = judge.count_calls() - before
    summary = team.run_nightly(cold=number == 0)  # with a hash seed of its own
    calls = judge.count_calls() - before
    seconds = f"{died - began:.1f} of {whole.seconds:.1f} s"
    logging.info("kill %d at %s, %d calls; then %d", number, seconds, at_death, summary["calls"])
    assert len(whole.reports) == 4
    assert team.read_reports() == whole.reports
    assert whole.calls <= calls <= whole.calls + CONCURRENCY
    if number % 2 == 0:
        assert alive, "killed while it was asking"
        assert 0 < at_death < whole.calls + CONCURRENCY
    assert not list((team.home / "journal").glob("*.jsonl"))
