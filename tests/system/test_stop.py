"""Ctrl-C and SIGTERM end a run with calls at once; its paid answers stay, and it can resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evals.storage.lake import Lake
from tests.system.helpdesk import CONCURRENCY, NIGHTS, build_question, create_team
from tests.system.judges import Judge, are_paid_once
from tests.system.teams import ROOT, Team

QUESTIONS = 20
CALLS = 2 * QUESTIONS
"""Two judges answer each question."""
SOON_S = 25.0
"""Less than the half minute that a provider asks to wait."""
LONG_S = 120.0
"""For an end whose exit code shows how it came about."""


@pytest.fixture
def team(tmp_path: Path, judge: Judge) -> Team:
    """A team with one night in its inbox."""
    team = create_team(tmp_path / "stopped", judge)
    team.export("night.jsonl", [build_question(NIGHTS[0], number) for number in range(QUESTIONS)])
    return team


def wait_for_calls(judge: Judge, process: subprocess.Popen[str], count: int) -> None:
    """Waits until the server has received that many calls."""
    until = time.monotonic() + 60
    while judge.count_calls() < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def stop_command(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Signals a command, which has to end within seconds; returns what it wrote to stderr."""
    process.send_signal(number)
    out, errors = process.communicate(timeout=SOON_S)
    assert process.returncode == 128 + number, f"exit {process.returncode}\n{out}\n{errors}"
    assert out == ""
    return errors


@pytest.mark.slow
def test_a_stopped_night_keeps_paid_answers_and_the_next_run_makes_the_rest(
    team: Team, judge: Judge, tmp_path: Path
) -> None:
    """No call follows the signal, no report is published; then the bytes of an undisturbed run."""
    undisturbed = team.copy_to(tmp_path / "undisturbed")
    judge.request("/pace", {"latency_s": 0.3})
    before = judge.count_calls()
    process = team.start_nightly()
    wait_for_calls(judge, process, before + 8)
    words = stop_command(process, signal.SIGINT)
    at_stop = judge.count_calls() - before
    assert at_stop <= 8 + 2 * CONCURRENCY
    assert f"interrupted; {at_stop} paid answers were kept" in words
    assert team.read_reports() == {}
    assert not list((team.home / "scores").glob("*/polite@helpdesk*"))
    judge.request("/pace", {"latency_s": 0.0})
    team.run_nightly()
    calls = judge.list_calls(before)
    assert len(calls) == CALLS
    assert are_paid_once(calls)
    undisturbed.run_nightly()
    assert team.read_reports() == undisturbed.read_reports() != {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "options"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGINT, ("--dry-run", "--probe", "20")),
    ],
)
def test_a_command_that_waits_for_a_provider_ends_on_a_signal(
    number: signal.Signals, options: tuple[str, ...], team: Team, judge: Judge
) -> None:
    """No call is repeated, though the provider wants a wait of half a minute."""
    judge.request("/refuse", {"retry_after_s": 30})
    before = judge.count_calls()
    process = team.start_nightly(*options)
    wait_for_calls(judge, process, before + CONCURRENCY)
    assert "interrupted; run the same command again" in stop_command(process, number)
    assert judge.count_calls() == before + CONCURRENCY
    assert team.read_reports() == {}


@pytest.mark.slow
def test_a_run_that_waits_for_another_ends_on_a_signal(team: Team, judge: Judge) -> None:
    """A run that waits for a lock gives up and makes no call."""
    before, lake = judge.count_calls(), Lake(team.home)
    about = [(NIGHTS[0].isoformat(), name, "helpdesk") for name in ("helpful", "polite")]
    with lake.lock("scores", *about[0]), lake.lock("scores", *about[1]):
        process, until = team.start_nightly(), time.monotonic() + 60
        while not list(team.home.glob("journal/*.jsonl")) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        assert "interrupted; run the same command again" in stop_command(process, signal.SIGTERM)
    assert judge.count_calls() == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stage_without_calls_ends_on_a_signal_to_the_whole_group(
    number: signal.Signals, team: Team
) -> None:
    """Ctrl-C in a terminal reaches the processes a run started; no stack is shown."""
    process, until = team.start_nightly(cold=True), time.monotonic() + 60
    while not list(team.home.glob("runs/*/*")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, number)
    out, errors = process.communicate(timeout=LONG_S)
    assert (process.returncode, out) == (128 + number, ""), errors
    assert "Traceback" not in errors
    assert "interrupted; run the same command again" in errors
    assert team.read_reports() == {}


@pytest.mark.slow
def test_a_second_signal_ends_a_run_at_once(team: Team, judge: Judge) -> None:
    """It waits for no call under way; stored answers stay, as after any death."""
    judge.request("/pace", {"latency_s": 30.0})
    before = judge.count_calls()
    process = team.start_nightly()
    wait_for_calls(judge, process, before + CONCURRENCY)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None, "calls under way have a grace"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LONG_S)
    assert process.returncode == -signal.SIGINT


@pytest.mark.slow
def test_a_run_of_dagster_ends_as_failed_on_a_signal(team: Team, judge: Judge) -> None:
    """The signal reaches `dagster job execute` and the daemon's workers: the run is no success."""
    (team.home / "dagster").mkdir(parents=True)
    judge.request("/pace", {"latency_s": 0.3})
    before = judge.count_calls()
    where = {
        "ANDON_HOME": team.home,
        "ANDON_CATALOG": team.catalog,
        "ANDON_INBOX": team.inbox,
        "DAGSTER_HOME": team.home / "dagster",
    }
    tags = {"dagster/partition": NIGHTS[0].isoformat()}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "dagster", "job", "execute",
         "-m", "orchestration.definitions", "-j", "nightly", "--tags", json.dumps(tags)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **{name: str(path) for name, path in where.items()}},
    )  # fmt: skip
    wait_for_calls(judge, process, before + 8)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LONG_S)
    assert process.returncode not in (0, None)
    assert judge.count_calls() - before <= 8 + 2 * CONCURRENCY
    assert "RUN_FAILURE" in errors
    assert team.read_reports() == {}
