"""What came after a night was reported: it opens that night alone, and the next report has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.system.teams import Team, read_files

FIRST, SECOND = "2026-05-04", "2026-05-05"

pytestmark = pytest.mark.slow


def trace(night: str, number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request, invented."""
    return {
        "trace_id": f"{night}-{number}",
        "ts": f"{night}T08:{number:02d}:00Z",
        "app": "shop",
        "input": f"Greet guest {number}.",
        "output": f"Hello, guest {number}.",
        **more,
    }


def observation(number: int, kind: str, parent: str, **more: Any) -> dict[str, Any]:
    """One of Langfuse's rows about a trace of the first night."""
    return {
        "id": f"{kind}-{number}",
        "trace_id": f"lf-{number}",
        "project_id": "p",
        "type": kind,
        "parent_observation_id": parent,
        "name": kind.lower(),
        "start_time": f"{FIRST} 10:0{number}:00.000000",
        "end_time": f"{FIRST} 10:0{number}:02.000000",
        "metadata": "{}",
        **more,
    }


def root(number: int) -> dict[str, Any]:
    """The first hour's file has the root."""
    return observation(number, "SPAN", "", input="Greet.", output="Hello, dear guest.")


def call(number: int) -> dict[str, Any]:
    """The next hour's has the call of the model."""
    texts = {"input": '[{"role": "user", "content": "Greet."}]', "output": "Hello, dear guest."}
    tokens = {"provided_model_name": "gpt-4o-mini", "usage_details": {"input": 7, "output": 2}}
    return observation(number, "GENERATION", f"SPAN-{number}", **texts, **tokens)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two nights reported, then three files about the first: what was there before and after."""
    team = Team(tmp_path_factory.mktemp("late"))
    greets = {"assertion": "regex", "params": {"pattern": "^Hello"}}
    question = {"dimension": "greets", "question": "Does it greet?", "check": greets}
    team.declare(
        {
            "catalog.yaml": {"title": "Greetings", "since": FIRST},
            "apps/shop.yaml": {"app": "shop", "suite": "shop"},
            "suites/shop.yaml": {"suite": "shop", "dimensions": [question]},
        }
    )
    team.export("10h.jsonl", [root(1), root(2)])
    team.export("first.jsonl", [trace(FIRST, number) for number in range(5)])
    team.export("second.jsonl", [trace(SECOND, number) for number in range(5)])
    team.run_nightly()
    before = {"files": read_files(team.home / "reports"), "first": team.report(FIRST, "shop")}
    team.export("11h.jsonl", [call(2)])
    team.export("corrected.jsonl", [trace(FIRST, 3, output="Go away.")])
    team.export("late.jsonl", [trace(FIRST, 9)])
    began = datetime.now(UTC).date()
    summary = team.run_nightly()
    days = {day.isoformat() for day in (began, datetime.now(UTC).date())}
    return {
        "read on": days,
        "team": team,
        "before": before,
        "summary": summary,
        "first": team.report(FIRST, "shop"),
    }


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The result of the suite's one dimension over all traces."""
    (row,) = [
        row for row in body["results"] if row["slice"] == "all" and row["dimension"] != "answered"
    ]
    return row


def test_only_that_night_gets_a_new_version(nights: dict[str, Any]) -> None:
    """Every report keeps its bytes, and nothing but pages changes; it alone is evaluated."""
    team, reports_before = nights["team"], nights["before"]["files"]
    assert nights["summary"]["nights"] == [FIRST]
    now = read_files(team.home / "reports")
    fresh = {Path(name).parent for name in now.keys() - reports_before.keys()}
    versions = {folder.name for folder in fresh if folder.parent == Path(FIRST, "shop")}
    assert versions - {"failing", "topics", "traces", "versions"} == {nights["first"]["version"]}
    changed = {name for name in reports_before if now[name] != reports_before[name]}
    assert {Path(name).suffix for name in changed} == {".html"}
    assert len(team.list_versions(FIRST, "shop")) == 2


def test_the_report_counts_traces_that_came_late_or_were_corrected(
    nights: dict[str, Any],
) -> None:
    """A new trace is late; one that a late file changes or completes is corrected."""
    team, counts = nights["team"], nights["first"]["accounting"]
    (row,) = counts["late"]
    assert (row["late"], row["corrected"]) == (1, 2)
    assert row["seen"] in nights["read on"]
    assert (counts["corrected"], counts["merged"]) == (1, 1)
    assert "late" not in nights["before"]["first"]["accounting"]
    page = team.home / "reports" / FIRST / "shop" / nights["first"]["version"] / "index.html"
    words = f"1 late and 2 corrected traces, read on {row['seen']}"
    assert words in page.read_text()
    late = {file["file"]: file for file in counts["files"]}
    assert set(late) == {"10h.jsonl", "11h.jsonl", "first.jsonl", "corrected.jsonl", "late.jsonl"}


def test_the_figures_are_those_of_the_corrected_night(nights: dict[str, Any]) -> None:
    """One trace more, one that no longer greets; the trace that two files share is one."""
    before, after = (whole(body) for body in (nights["before"]["first"], nights["first"]))
    assert (before["passed"], before["failed"]) == (7, 0)
    assert (after["passed"], after["failed"]) == (7, 1)
    models = nights["first"]["provenance"]["traces"]["model"]
    assert {"value": "gpt-4o-mini", "n": 1} in models
    assert json.dumps(nights["first"]).count("gpt-4o-mini") == 1
