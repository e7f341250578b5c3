"""`andon incident`: what is listed, and what a person may decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evals.reports.decide.incident_records import Decision
from evals.reports.lost_references import list_lost_references
from evals.reports.night_data import parse_action
from evals.storage import night_state
from evals.storage.documents.incident_decisions import read_decisions
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from orchestration.cli.incidents import incident
from tests.evals.reports.chat_nights import BASE, TONIGHT
from tests.evals.reports.night_rows import report_of

NAME = "chat-2026-10-06"
WHO = ("--by", "Ann", "--reason", "a wanted tone")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one report, which has an open incident."""
    lake = Lake(tmp_path / "home")
    report = report_of(BASE)
    write_report(lake, TONIGHT, report.to_json(), "<html></html>", {})
    night_state.update_state(lake, TONIGHT, reports={"chat": report.version})
    return lake.home


def call(home: Path, *words: str) -> Result:
    """Runs a command of the group."""
    return CliRunner().invoke(incident, [*words, "--home", str(home)])


def test_an_open_incident_is_listed_and_shown(home: Path) -> None:
    """With its state, nights and rates; as JSON with all of it."""
    line = f"{NAME}  open, 2026-10-06 to 2026-10-08  over-refusal\n"
    assert call(home, "list").output == line
    assert "over-refusal: 91% before, 75% since 2026-10-06" in call(home, "show", NAME).output
    assert '"app": "chat"' in call(home, "list", "--open", "--json").output


def test_a_person_accepts_with_name_and_reason(home: Path) -> None:
    """What they decided is stored, and counts from the last reported night on."""
    assert call(home, "accept", NAME, *WHO).exit_code == 0
    (one,) = read_decisions(Lake(home), "chat")
    assert (one.incident, one.night, one.action) == (NAME, TONIGHT, "accept")
    assert (one.by, one.reason) == ("Ann", "a wanted tone")
    accepted = Decision(one.incident, one.night, parse_action(one.action), one.by, one.reason)
    body = report_of(replace(BASE, incident_decisions=[accepted])).to_json()
    assert body["gate"]["outcome"] != "regressed"  # type: ignore[index,call-overload]


def test_a_decision_is_shown_before_a_report_has_it(home: Path) -> None:
    """It is listed with the incident, is not made twice, and can be taken back."""
    call(home, "accept", NAME, *WHO)
    waits = f"accepted by Ann from {TONIGHT} on, with the next `andon nightly`"
    assert f"over-refusal  ({waits})\n" in call(home, "list", "--open").output
    assert f"{waits}: a wanted tone" in call(home, "show", NAME).output
    assert '"waiting": {' in call(home, "show", NAME, "--json").output
    again = call(home, "accept", NAME, *WHO)
    assert (again.exit_code, again.output) == (2, f"andon: {NAME} is {waits}\n")
    assert call(home, "reopen", NAME, *WHO).exit_code == 0
    assert [one.action for one in read_decisions(Lake(home), "chat")] == ["accept", "reopen"]


def test_an_incident_that_the_last_report_lacks_is_not_open(home: Path) -> None:
    """One whose evaluators were removed is listed as no longer measured, and cannot be accepted."""
    lake, night = Lake(home), TONIGHT + timedelta(days=1)
    later = report_of(replace(BASE, is_third=False, date=night, rates=[]))
    write_report(lake, night, later.to_json(), "<html></html>", {})
    night_state.update_state(lake, night, reports={"chat": later.version})
    assert f"{NAME}  no longer measured, 2026-10-06 to" in call(home, "list").output
    assert call(home, "list", "--open").output == "no incidents\n"
    assert f"not in the report of {night}" in call(home, "show", NAME).output
    assert call(home, "accept", NAME, *WHO).exit_code == 2
    (lost,) = list_lost_references(lake, "chat", night)
    assert f"the incident {NAME} was open on {TONIGHT}, and over-refusal has had no rate" in lost
    assert list_lost_references(lake, "chat", TONIGHT) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("accept", NAME), "--by"),
        (("accept", NAME, "--by", " ", "--reason", "x"), "expected a name and a reason"),
        (("accept", "chat-2026-10-05", *WHO), f"did you mean {NAME}"),
        (("reopen", NAME, *WHO), "is open already"),
        (("accept", NAME, *WHO, "--from", f"{TONIGHT - timedelta(days=9)}"), "was opened on"),
        (("list", "--app", "chad"), "did you mean chat"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    home: Path, words: tuple[str, ...], message: str
) -> None:
    """With exit code 2 and what to do instead; nothing is stored."""
    result = call(home, *words)
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert read_decisions(Lake(home), "chat") == []
