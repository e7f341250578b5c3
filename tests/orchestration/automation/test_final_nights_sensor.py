"""Promises of provisional nights: no alarm before late traces are over, one alarm after.

Tests pass time by moving the moment until which a night is provisional.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, clean_environment
from tests.system.greetings import build_catalog
from tests.system.teams import Team, read_files

TRACES = 60
TODAY = datetime.now(UTC).date()
BEFORE, WORSE = TODAY - timedelta(days=2), TODAY - timedelta(days=1)

pytestmark = pytest.mark.slow


def make_trace(night: date, number: int, app: str = "hello", **more: Any) -> dict[str, Any]:
    """One invented request; on the worse night half the answers do not greet."""
    greets = night != WORSE or number % 2
    return {
        "trace_id": f"{app}-{night}-{number}",
        "ts": f"{night}T08:{number % 60:02d}:00Z",
        "app": app,
        "input": f"Greet guest {number}.",
        "output": f"{'Hello' if greets else 'Go away'}, guest {number}.",
        **more,
    }


@pytest.fixture(scope="module")
def provisional(tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, dict[str, Any]]:
    """A worse night and a broken export, both reported while they are provisional."""
    team = Team(tmp_path_factory.mktemp("closing"))
    own = {"app": "hello", "suite": "hello", "lateness": "30h",
           "gate": {"max_drop": 0.2, "baseline_nights": 1, "dimensions": ["greets"]}}  # fmt: skip
    torn = {"app": "torn", "suite": "hello", "lateness": "30h"}
    since = {"title": "Greetings", "since": BEFORE.isoformat()}
    declared = {
        **build_catalog(),
        "catalog.yaml": since,
        "apps/hello.yaml": own,
        "apps/torn.yaml": torn,
    }
    declared["suites/hello.yaml"]["dimensions"][0]["target"] = 0.95
    team.declare(declared)
    for night in (BEFORE, WORSE):
        team.export(f"{night}.jsonl", [make_trace(night, number) for number in range(TRACES)])
    team.export("torn.jsonl", [make_trace(WORSE, n, "torn", latency_ms=-1) for n in range(9)])
    return team, team.run_nightly()


@pytest.fixture
def copied_team(provisional: tuple[Team, dict[str, Any]], tmp_path: Path) -> Team:
    """A copy of the team."""
    shutil.copytree(provisional[0].folder, tmp_path / "copy")
    return Team(tmp_path / "copy")


def read_page(team: Team, app: str = "hello") -> str:
    """Returns the page of the worse night."""
    (folder,) = team.list_versions(WORSE, app)
    return (folder / "index.html").read_text()


def pass_time(team: Team) -> None:
    """Makes the worse night final by moving its moment into the past."""
    path = team.home / "nights" / f"{WORSE}.json"
    state = json.loads(path.read_text())
    gone = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    state["provisional"] = dict.fromkeys(state["provisional"], gone)
    del state["checksum"]  # documents without one are read as they are
    path.write_text(json.dumps(state))


def run_gate(team: Team, code: int) -> dict[str, Any]:
    """Runs `andon gate` on the worse night and returns its JSON."""
    result = team.run("gate", "--app", "hello", "--date", f"{WORSE}", "--json", code=code)
    return result.json


def read_dagster(team: Team) -> dict[str, Any]:
    """The last outcome of the checks, and two evaluations of the sensor."""
    program = str(Path(__file__).with_name("close.py"))
    environment = clean_environment(team.home) | {
        "ANDON_CATALOG": str(team.catalog),
        "DAGSTER_HOME": str(team.home / "dagster"),
    }
    command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_provisional_night_is_marked_and_raises_no_alarm(
    provisional: tuple[Team, dict[str, Any]],
) -> None:
    """Board, page, list and gate name the moment; the gate is inconclusive, not regressed."""
    team, result = provisional
    until = f"{TODAY + timedelta(days=1)}T06:00:00+00:00"
    assert [f"{WORSE}", "hello", until] in result["provisional"]
    assert result["final"] == []
    assert team.report(WORSE, "hello")["gate"]["outcome"] == "regressed"
    result = run_gate(team, code=3)
    assert (result["gate"]["outcome"], result["provisional"]) == ("inconclusive", True)
    assert "Provisional until" in read_page(team)
    assert (
        "Provisional, for traces may still arrive"
        in (team.home / "reports" / "index.html").read_text()
    )
    listed = team.run("report", "list", "--json").json
    (row,) = [row for row in listed if (row["date"], row["app"]) == (f"{WORSE}", "hello")]
    assert row["provisional_until"] == until


def test_no_check_in_dagster_raises_an_alarm_before_the_watermark(
    provisional: tuple[Team, dict[str, Any]],
) -> None:
    """The release gate passes, a refused night only warns, and the sensor finalizes nothing."""
    result = read_dagster(provisional[0])
    assert result["checks"]["gate"]["passed"]
    assert result["checks"]["admitted"] == {"passed": False, "severity": "WARN"}
    final = [day for day in result["first"]["why"].split() if day == f"{WORSE}"]
    assert (final, result["first"]["events"]) == ([], {})
    assert "Provisional until" in read_page(provisional[0])


def test_after_the_watermark_the_sensor_raises_the_alarm_once(copied_team: Team) -> None:
    """It raises them for the regressed and the refused night; report.json keeps its bytes."""
    before = read_files(copied_team.home / "reports" / f"{WORSE}")
    pass_time(copied_team)
    result = read_dagster(copied_team)
    assert f"{WORSE} hello: regressed" in result["first"]["why"]
    assert result["first"]["events"] == {
        "release_gate": {"passed": False, "severity": "WARN"},
        "night_admitted": {"passed": False, "severity": "ERROR"},
    }
    assert (result["first"]["runs"], result["second"]["events"]) == (0, {})
    assert run_gate(copied_team, code=1)["provisional"] is False
    assert "Provisional until" not in read_page(copied_team)
    after = read_files(copied_team.home / "reports" / f"{WORSE}")
    changed = [name for name in before if after[name] != before[name]]
    assert after.keys() == before.keys()
    assert {name.rsplit("/", 1)[1] for name in changed} == {"index.html"}


def test_the_next_nightly_makes_it_final_without_any_work(copied_team: Team) -> None:
    """No night is run and no call is made; it lists the nights that are final now, once."""
    pass_time(copied_team)
    result = copied_team.run_nightly()
    assert [f"{WORSE}", "hello"] in result["final"]
    assert (result["nights"], result["calls"]) == ([], 0)
    assert f"{WORSE}" not in {night for night, _app, _until in result["provisional"]}
    assert "Provisional until" not in read_page(copied_team)
    assert run_gate(copied_team, code=1)["gate"]["outcome"] == "regressed"
    again = copied_team.run_nightly()["final"]
    assert f"{WORSE}" not in {night for night, _app in again}
