"""Each night is on its own: ranges, refusals, outages, late traces, and nothing to do."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.conftest import EightNights
from tests.system.helpdesk import BAD, NIGHTS, POLITE, build_night, build_question
from tests.system.judge_server import completion
from tests.system.judges import Judge, are_paid_once
from tests.system.teams import COLD, ROOT, Team, build_environment, find_row

HEAVY = {"dagster", "dagster_dbt", "dbt", "great_expectations", "pandas"}


@pytest.mark.slow
def test_eight_nights_are_one_run_and_a_bad_one_drops_out(eight_nights: EightNights) -> None:
    """Seven reports and one refusal in one run; the other application keeps all eight."""
    summary, team = eight_nights.summary, eight_nights.team
    status = {(row["date"], row["app"]): row["status"] for row in summary["reports"]}
    refused = [key for key, value in status.items() if value == "refused"]
    assert refused == [(BAD.isoformat(), "helpdesk")]
    assert summary["refused"] == [[BAD.isoformat(), "helpdesk"]]
    assert len(status) == 2 * len(NIGHTS)
    runs = (json.loads(p.read_text()) for p in (team.home / "reports").glob("*/*/*/run.json"))
    assert len({run["run_id"] for run in runs}) == 1
    body = team.report(BAD, "helpdesk")
    assert body["refusal"]["quarantined"] == 3
    assert body["accounting"]["reasons"][0]["count"] == 3
    assert body["results"] == []


@pytest.mark.slow
def test_equal_content_is_paid_for_once_over_the_nights(eight_nights: EightNights) -> None:
    """A question every night has is asked on the first: calls are the different contents."""
    contents = {
        (row["input"], row["output"])
        for night in NIGHTS
        if night != BAD
        for row in build_night(night)
        if row["app"] == "helpdesk"
    }
    assert are_paid_once(eight_nights.calls)
    assert len(eight_nights.calls) == eight_nights.summary["calls"] == 2 * len(contents)


@pytest.mark.slow
def test_with_nothing_new_it_ends_at_once(copied: Callable[[], Team], judge: Judge) -> None:
    """No call, no new version, nothing heavy imported, within five seconds of processor time."""
    team, before = copied(), judge.count_calls()
    reports_before = team.read_reports()
    command = team.build_arguments("nightly", "--inbox", team.inbox, "--json")
    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [COLD[0], "-X", "importtime", *COLD[1:], *command],
        cwd=ROOT,
        env=build_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s
    imported = {row.rsplit("|", 1)[-1].strip() for row in done.stderr.splitlines() if "|" in row}
    packages = {name.split(".")[0] for name in imported}
    assert "evals.runs.night_locks" in imported
    assert not packages & HEAVY
    assert json.loads(done.stdout)["nights"] == []
    assert json.loads(done.stdout)["calls"] == judge.count_calls() - before == 0
    assert team.read_reports() == reports_before
    assert seconds < 5


def classify_answers(calls: list[dict[str, Any]], system: str) -> dict[str, str]:
    """How each body that asks under a prompt ended: pass, fail or error."""
    ended: dict[str, str] = {}
    for call in calls:
        if call["system"].startswith(system):
            body = {"model": "judge-2026-01-01", "messages": []}
            text = completion(call["body"], body)["choices"][0]["message"]["content"]
            ended[call["body"]] = json.loads(text)["verdict"] if call["status"] == 200 else "error"
    return ended


@pytest.mark.slow
def test_an_outage_and_its_repair_are_two_versions_of_the_night(
    copied: Callable[[], Team], judge: Judge
) -> None:
    """Failed calls are errors and never fails; after the repair only they are asked again.

    Answers of earlier nights that the judges are asked about again are not looked at.
    """
    team, night = copied(), NIGHTS[-1].replace(day=NIGHTS[-1].day + 1)
    team.export("outage.jsonl", build_night(night, questions=13))
    before, reports_before = judge.list_calls(), team.read_reports()
    anchors = {call["body"] for call in before}
    judge.request("/break", {"share": 1 / 3})
    team.run_nightly()
    during = [c for c in judge.list_calls(len(before)) if c["body"] not in anchors]
    ended = classify_answers(during, POLITE)
    body = team.report(night, "helpdesk")
    row = find_row(body, "polite")
    shared = 1  # every night's question was answered on the first
    errored = sum(outcome == "error" for outcome in ended.values())
    assert 0 < errored < len(ended)
    assert row["errored"] == errored
    assert row["failed"] + row["passed"] == len(ended) - errored + shared
    failed = sum(outcome == "fail" for outcome in ended.values())
    assert row["failed"] in (failed, failed + shared)
    codes = {error["code"] for error in body["errors"] if error["status"] == "error"}
    assert codes == {"server-error"}

    judge.request("/repair", {})
    calls = judge.count_calls()
    team.run_nightly()
    again = [call for call in judge.list_calls(calls) if call["body"] not in anchors]
    unanswered = {c["body"] for c in during} - {c["body"] for c in during if c["status"] == 200}
    assert {call["body"] for call in again} == unanswered
    assert len(again) == len(unanswered)
    repaired = find_row(team.report(night, "helpdesk"), "polite")
    assert (repaired["errored"], repaired["n"]) == (0, row["n"])
    versions = [name for name in team.read_reports() if name.startswith(f"{night}/helpdesk/")]
    assert len(versions) == 2
    assert reports_before.items() <= team.read_reports().items()
    (step,) = team.run_json("report", "diff", "--app", "helpdesk", "--date", night.isoformat())
    assert step["before"] == body["version"]
    assert f"politeness (polite): errored {errored} → 0" in step["moved"]
    assert not [words for words in step["moved"] if "signature" in words]


@pytest.mark.slow
def test_a_late_trace_is_scored_under_its_own_nights_lock(
    copied: Callable[[], Team], judge: Judge
) -> None:
    """It opens its night alone, and is judged as that night was, whatever the catalog declares now.

    Later nights are compared with it: their reports follow, without an evaluation.
    """
    team, night, before = copied(), NIGHTS[3], judge.count_calls()
    reports_before, old = team.read_reports(), team.report(night, "helpdesk")
    team.edit("judges/polite.yaml", system="A prompt of another day.")
    late = build_question(
        night, 40, "Do you deliver to islands?", output="We do, by boat. — the desk"
    )
    team.export("late.jsonl", [late])
    summary = team.run_nightly()
    calls = judge.list_calls(before)
    new = team.report(night, "helpdesk")
    assert summary["nights"] == [night.isoformat()]
    assert len(calls) == 2
    assert [call for call in calls if call["system"].startswith(POLITE)]
    assert find_row(new, "polite")["n"] == find_row(old, "polite")["n"] + 1
    versions = [
        [(one["name"], one["version"]) for one in body["provenance"]["evaluators"]]
        for body in (new, old)
    ]
    assert versions[0] == versions[1]
    fresh = set(team.read_reports()) - set(reports_before)
    assert min(fresh) == f"{night}/helpdesk/{new['version']}"
    assert all(name.split("/")[1] == "helpdesk" for name in fresh)
    assert reports_before.items() <= team.read_reports().items()
