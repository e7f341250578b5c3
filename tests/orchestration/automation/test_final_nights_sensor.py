"""What a night may do before its lateness has passed, and what it does the moment it has.

Time passes here by what is kept of the night: until when it is provisional.
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

from tests.orchestration.test_definitions import FOREIGN, ROOT, fresh
from tests.system.door_catalog import Team, bytes_under
from tests.system.test_command_line import files

TRACES = 60
TODAY = datetime.now(UTC).date()
BEFORE, WORSE = TODAY - timedelta(days=2), TODAY - timedelta(days=1)

pytestmark = pytest.mark.slow


def trace(night: date, number: int, app: str = "hello", **more: Any) -> dict[str, Any]:
    """One ordinary request, invented; on the worse night half the answers do not greet."""
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
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, dict[str, Any]]:
    """A worse night and a broken export, both reported while rows may still come."""
    team = Team(tmp_path_factory.mktemp("closing"))
    own = {"app": "hello", "suite": "hello", "lateness": "30h",
           "gate": {"max_drop": 0.2, "baseline_nights": 1, "dimensions": ["greets"]}}  # fmt: skip
    torn = {"app": "torn", "suite": "hello", "lateness": "30h"}
    since = {"title": "Greetings", "since": BEFORE.isoformat()}
    declared = {**files(), "catalog.yaml": since, "apps/hello.yaml": own, "apps/torn.yaml": torn}
    team.declare(declared)
    for night in (BEFORE, WORSE):
        team.export(f"{night}.jsonl", [trace(night, number) for number in range(TRACES)])
    team.export("torn.jsonl", [trace(WORSE, n, "torn", latency_ms=-1) for n in range(9)])
    return team, team.nightly()


@pytest.fixture
def copied(reported: tuple[Team, dict[str, Any]], tmp_path: Path) -> Team:
    """The same team somewhere else."""
    shutil.copytree(reported[0].folder, tmp_path / "copy")
    return Team(tmp_path / "copy")


def page(team: Team, app: str = "hello") -> str:
    """The page of the worse night."""
    (folder,) = team.folders(WORSE, app)
    return (folder / "index.html").read_text()


def pass_time(team: Team) -> None:
    """The moment up to which the worse night is provisional has gone by."""
    path = team.home / "nights" / f"{WORSE}.json"
    state = json.loads(path.read_text())
    gone = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    state["provisional"] = dict.fromkeys(state["provisional"], gone)
    path.write_text(json.dumps(state))


def gate(team: Team, code: int) -> dict[str, Any]:
    """What `andon gate` says of the worse night."""
    said = team.andon("gate", "--app", "hello", "--date", f"{WORSE}", "--json", code=code)
    return said.json


def dagster(team: Team) -> dict[str, Any]:
    """What the checks last said, and two ticks of the sensor."""
    program = str(Path(__file__).with_name("close.py"))
    environment = fresh(team.home) | {
        "ANDON_CATALOG": str(team.catalog),
        "DAGSTER_HOME": str(team.home / "dagster"),
    }
    command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_provisional_night_says_so_and_alarms_nobody(
    reported: tuple[Team, dict[str, Any]],
) -> None:
    """Board, page, list and gate name the moment; the gate is inconclusive, not regressed."""
    team, said = reported
    until = f"{TODAY + timedelta(days=1)}T06:00:00+00:00"
    assert [f"{WORSE}", "hello", until] in said["provisional"]
    assert said["final"] == []
    assert team.report(WORSE, "hello")["gate"]["outcome"] == "regressed"
    told = gate(team, code=3)
    assert (told["gate"]["outcome"], told["provisional"]) == ("inconclusive", True)
    assert "Provisional until" in page(team)
    assert (
        "Provisional, for traces may still arrive"
        in (team.home / "reports" / "index.html").read_text()
    )
    listed = team.andon("report", "list", "--json").json
    (row,) = [row for row in listed if (row["date"], row["app"]) == (f"{WORSE}", "hello")]
    assert row["provisional_until"] == until


def test_no_check_in_dagster_fails_loudly_before_the_watermark(
    reported: tuple[Team, dict[str, Any]],
) -> None:
    """The release gate passes, a refused night only warns, and the sensor closes nothing."""
    said = dagster(reported[0])
    assert said["checks"]["gate"]["passed"]
    assert said["checks"]["admitted"] == {"passed": False, "severity": "WARN"}
    final = [day for day in said["first"]["why"].split() if day == f"{WORSE}"]
    assert (final, said["first"]["events"]) == ([], {})
    assert "Provisional until" in page(reported[0])


def test_after_the_watermark_the_sensor_raises_the_alarm_once(copied: Team) -> None:
    """The regressed and the refused night are said then; report.json keeps its bytes."""
    before = bytes_under(copied.home / "reports" / f"{WORSE}")
    pass_time(copied)
    said = dagster(copied)
    assert f"{WORSE} hello: regressed" in said["first"]["why"]
    assert said["first"]["events"] == {
        "release_gate": {"passed": False, "severity": "WARN"},
        "night_admitted": {"passed": False, "severity": "ERROR"},
    }
    assert (said["first"]["runs"], said["second"]["events"]) == (0, {})
    assert gate(copied, code=1)["provisional"] is False
    assert "Provisional until" not in page(copied)
    after = bytes_under(copied.home / "reports" / f"{WORSE}")
    changed = [name for name in before if after[name] != before[name]]
    assert after.keys() == before.keys()
    assert {name.rsplit("/", 1)[1] for name in changed} == {"index.html"}


def test_the_next_nightly_makes_it_final_without_any_work(copied: Team) -> None:
    """No night is run and no model asked; it says which nights are final now, once."""
    pass_time(copied)
    said = copied.nightly()
    assert [f"{WORSE}", "hello"] in said["final"]
    assert (said["nights"], said["calls"]) == ([], 0)
    assert f"{WORSE}" not in {night for night, _app, _until in said["provisional"]}
    assert "Provisional until" not in page(copied)
    assert gate(copied, code=1)["gate"]["outcome"] == "regressed"
    again = copied.nightly()["final"]
    assert f"{WORSE}" not in {night for night, _app in again}
