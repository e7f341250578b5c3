"""What one broken file of a catalog stops: its application, and no other one's night."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.storage.lake import Lake
from tests.system.teams import Team, find_row, read_files

FIRST, SECOND = "2026-05-04", "2026-05-05"
BOTH = ("bakery", "garage")

pytestmark = pytest.mark.slow


def trace(app: str, night: str, number: int) -> dict[str, Any]:
    """One ordinary request, invented."""
    return {
        "trace_id": f"{app}-{night}-{number}",
        "ts": f"{night}T08:{number:02d}:00Z",
        "app": app,
        "input": f"Question {number}, asked by ada@example.com?",
        "output": f"Answer {number}." if number % 3 else f"Answer {number}",
    }


def rows(night: str, count: int = 12) -> list[dict[str, Any]]:
    """A night of both applications in one export."""
    return [trace(app, night, number) for app in BOTH for number in range(count)]


def declare(team: Team) -> None:
    """Two applications with a suite each; the garage keeps addresses."""
    ends = {"assertion": "regex", "params": {"pattern": r"\.$"}}
    dimension = {"dimension": "ends", "question": "Does it end with a stop?", "check": ends}
    team.declare({"catalog.yaml": {"title": "Two", "since": FIRST}})
    for app in BOTH:
        redact: dict[str, Any] = {"redact": []} if app == "garage" else {}
        team.declare(
            {
                f"apps/{app}.yaml": {"app": app, "suite": app, "review_queue": 4, **redact},
                f"suites/{app}.yaml": {"suite": app, "dimensions": [dimension]},
            }
        )


@pytest.fixture(scope="module")
def whole_team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with one night reported while its catalog was whole."""
    made = Team(tmp_path_factory.mktemp("whole"))
    declare(made)
    made.export(f"{FIRST}.jsonl", rows(FIRST))
    made.run_nightly()
    return made


@pytest.fixture
def team(whole_team: Team, tmp_path: Path) -> Team:
    """A copy of that team."""
    return whole_team.copy_to(tmp_path / "copy")


def reports(team: Team, app: str) -> dict[str, bytes]:
    """Every version of an application's reports, by its path."""
    files = read_files(team.home / "reports")
    return {name: text for name, text in files.items() if f"/{app}/" in name and "report" in name}


def spoil(team: Team) -> str:
    """Breaks the syntax of the garage's own file; returns what it was."""
    path = team.catalog / "apps" / "garage.yaml"
    text = path.read_text()
    path.write_text(f"{text}suite: [garage\n")
    return text


def test_a_broken_application_waits_and_the_other_is_reported(team: Team) -> None:
    """Exit 4 with file and line; the other's night is reported, and mended nothing is lost."""
    before = reports(team, "garage")
    whole = spoil(team)
    team.export(f"{SECOND}.jsonl", rows(SECOND))
    result = team.run("nightly", "--inbox", team.inbox, "--json", code=4)
    (failure,) = result.json["failures"]
    assert failure.startswith(f"{team.catalog / 'apps' / 'garage.yaml'}:")
    assert failure.endswith("; garage waits")
    assert team.list_versions(SECOND, "bakery")
    assert not team.list_versions(SECOND, "garage")
    assert reports(team, "garage") == before
    assert result.json["nights"] == [SECOND]
    assert team.run("nightly", "--inbox", team.inbox, "--json", code=4).json["nights"] == []

    other = reports(team, "bakery")
    (team.catalog / "apps" / "garage.yaml").write_text(whole)
    assert team.run_nightly()["nights"] == [SECOND]
    assert reports(team, "bakery") == other
    row = find_row(team.report(SECOND, "garage"), "garage.ends")
    assert (row["n"], row["passed"]) == (12, 8)
    (trace_read, *_) = Lake(team.home).stream_night(
        "traces", date.fromisoformat(SECOND), ("trace_id", {f"garage-{SECOND}-1"})
    )
    assert "ada@example.com" in trace_read.input, "redacted though the application keeps addresses"


def test_late_rows_of_the_other_are_reported_meanwhile(team: Team) -> None:
    """A reported night gets a healthy application's late rows; the broken one's figures stay."""
    before = reports(team, "garage")
    figures = team.report(FIRST, "garage")["results"]
    whole = spoil(team)
    team.export("late.jsonl", [trace("bakery", FIRST, number) for number in range(20, 26)])
    assert team.run("nightly", "--inbox", team.inbox, "--json", code=4).json["nights"] == [FIRST]
    row = find_row(team.report(FIRST, "bakery"), "bakery.ends")
    assert row["n"] == 18
    assert reports(team, "garage") == before
    assert team.report(FIRST, "garage")["results"] == figures

    (team.catalog / "apps" / "garage.yaml").write_text(whole)
    assert team.run_nightly()["nights"] == [FIRST]
    assert reports(team, "garage") == before
    assert team.run_nightly()["nights"] == []


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("apps/garage.yaml", "app: garage\nsuit: garage\n", ":2: suit: "),
        ("suites/garage.yaml", "suite: garage\ndimensions: many\n", ":2: dimensions: "),
        (
            "suites/garage.yaml",
            "suite: garage\ndimensions:\n- dimension: a\n  question: b\n"
            "  check: {assertion: none}\n",
            ":5: dimensions.0.check",
        ),
        (
            "suites/garage.yaml",
            "suite: garage\ndimensions:\n- dimension: a\n  question: b\n"
            "  check: {assertion: regex, params: {pattern: '('}}\n",
            ":5: dimensions.0.check.params",
        ),
        (
            "suites/garage.yaml",
            "suite: garage\ndimensions:\n- dimension: a\n  question: b\n"
            "  where: lenght(input) > 9\n",
            ":5: dimensions.0.where: ",
        ),
        ("guardrails/pii.yaml", "guardrail: pii\napps: [garage]\ncheck: pii\n", ":1: question: "),
        ("slices.yaml", "- {slice: a, by: 'modell', apps: [garage]}\n", ":1: 0.by: modell: "),
        (
            "validation/own.yaml",
            "validation: own\nexpectations:\n- check: short\n  apps: [garage]\n"
            "  expect: ExpectColumnValueLengthsToBeBetween\n  reason: Too long.\n"
            "  arguments: {column: model, longest: 4}\n",
            ":7: expectations.0.arguments: ",
        ),
    ],
)
def test_a_broken_file_is_named_for_its_applications_alone(
    tmp_path: Any, name: str, text: str, where: str
) -> None:
    """`plan` ends with 4 and names file, line, key and the application before it reads a night."""
    made = Team(tmp_path)
    declare(made)
    path = made.catalog / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    made.home.mkdir()
    result = made.run("plan", "--json", code=4)
    assert result.errors.startswith(f"andon: {path}{where}")
    assert result.errors.rstrip().endswith("; garage waits")
    assert made.run("gate", "--app", "garage", code=4).errors.startswith(f"andon: {path}{where}")


def test_doctor_lists_everything_that_is_wrong(tmp_path: Any) -> None:
    """Each broken file is a finding of its own, with whom it stops."""
    made = Team(tmp_path)
    declare(made)
    made.declare({"apps/florist.yaml": {"app": "florist", "suite": "lost", "budgt": 3}})
    made.declare({"judges/idle.yaml": {"judge": "idle", "model": "none", "prompt": "Is it?"}})
    spoil(made)
    findings = made.run("doctor", "--json", code=2).json
    wrong = [one["words"] for one in findings if one["state"] == "fail"]
    stopped = {words.rpartition("; ")[2] for words in wrong}
    assert stopped == {"florist waits", "garage waits", "nothing uses it yet"}
