"""A missing night is shown wherever a person looks for it, and no older night replaces it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.teams import Team

pytestmark = pytest.mark.slow

TODAY = datetime.now(UTC).date()
SEEN, MISSING = (
    [str(TODAY - timedelta(days=days)) for days in (4, 3)],
    str(TODAY - timedelta(days=1)),
)
SINCE = str(TODAY - timedelta(days=2))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team whose two applications stopped sending traces two nights ago."""
    made = Team(tmp_path_factory.mktemp("stopped"))
    check = {"assertion": "regex", "params": {"pattern": r"\.$"}}
    dimension = {"dimension": "ends", "question": "Does it end with a stop?", "check": check}
    made.declare({"catalog.yaml": {"title": "Two", "since": SEEN[0]}})
    for app, cadence in (("bakery", {}), ("garage", {"cadence": "irregular"})):
        made.declare(
            {
                f"apps/{app}.yaml": {"app": app, "suite": app, **cadence},
                f"suites/{app}.yaml": {"suite": app, "dimensions": [dimension]},
            }
        )
    rows = [
        {"trace_id": f"{app}-{night}-{n}", "ts": f"{night}T08:{n:02d}:00Z", "app": app,
         "input": f"Question {n}?", "output": f"Answer {n}."}
        for app in ("bakery", "garage") for night in SEEN for n in range(12)
    ]  # fmt: skip
    made.export("export.jsonl", rows)
    return made


def test_a_run_names_the_nights_that_are_missing(team: Team) -> None:
    """JSON, terminal and page; an irregular application is never missing."""
    expected = [
        {"app": "bakery", "date": night, "since": SINCE, "reason": "no traces"}
        for night in (SINCE, MISSING)
    ]
    assert team.run_nightly()["missing"] == expected
    output = team.run("nightly").out
    assert f"missing: bakery has no traces for {SINCE} to {MISSING}" in output
    page = (team.home / "reports" / "index.html").read_text()
    assert re.search(r"<h1><bdi>bakery was missing last night", page)
    assert f"bakery has no traces for {SINCE} to {MISSING}" in page


def test_a_gate_judges_no_older_night_instead(team: Team) -> None:
    """Exit 4 with the date; a night that has a report is judged as before."""
    team.run_nightly()
    failed = team.run("gate", "--app", "bakery", code=4)
    assert MISSING in failed.errors
    assert SINCE in team.run("gate", "--app", "bakery", "--date", SINCE, code=4).errors
    team.run("gate", "--app", "bakery", "--date", SEEN[-1], code=3)
    team.run("gate", "--app", "garage", code=3)


def test_a_run_over_an_empty_night_shows_no_other_night(team: Team) -> None:
    """It fails with the date, and prints no board."""
    team.run_nightly()
    failed = team.run("nightly", "--date", MISSING, code=4)
    assert f"no application has traces for {MISSING}" in failed.errors
    assert SEEN[-1][5:] not in failed.out


def test_doctor_names_the_outage(team: Team) -> None:
    """One finding an outage, not one a night."""
    team.run_nightly()
    output = team.run("doctor").out
    assert len(re.findall(rf"bakery has no traces for {SINCE} to {MISSING}", output)) == 1
