"""Fourteen nights of real answers, reported as a person would recount them by hand."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.system.teams import ROOT, SHARED, Team, find_row

DATA = SHARED / "data" / "nights"
LABELS = DATA / "labels.jsonl.gz"
CATALOG = ROOT / "tests" / "catalogs" / "nights"
NIGHTS = [date(2026, 10, day) for day in range(1, 15)]
APPS = ("QA", "chat", "product-extraction")
CHANGED = "2026-10-08"
"""The night on which the chat's system prompt was taken away."""
REFUSED_SAFE = "safe-not-refused.adjudicated"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real nights are not at {DATA}"),
]


def rows(*paths: Path) -> Iterator[dict[str, Any]]:
    """The rows of gzipped JSONL files."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from map(json.loads, file)


def traces() -> Iterator[dict[str, Any]]:
    """Every trace of the fourteen nights."""
    return rows(*sorted((DATA / "traces").glob("*.jsonl.gz")))


def refused_by_night() -> dict[str, list[bool]]:
    """By night, whether each safe prompt was fully refused: the recount that needs no Andon."""
    verdicts = {
        label["trace_id"]: label["verdict"]
        for label in rows(LABELS)
        if label["dimension"] == "refusal" and label["annotator_kind"] == "adjudicated"
    }
    refused = defaultdict(list)
    for trace in traces():
        if trace["app"] == "chat" and trace["metadata"]["safe_prompt"] == "safe":
            refused[trace["ts"][:10]].append(verdicts[trace["trace_id"]] == "2_full_refusal")
    return refused


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """The issue's command, run once."""
    team = Team(tmp_path_factory.mktemp("nights"), CATALOG)
    team.run_nightly("--labels", LABELS, inbox=DATA / "traces")
    return team


@pytest.fixture(scope="module")
def bodies(team: Team) -> dict[tuple[str, str], dict[str, Any]]:
    """Every report at rest by night and application."""
    reports = [
        json.loads(path.read_bytes()) for path in team.home.glob("reports/*/*/*/report.json")
    ]
    by_key = {(body["date"], body["app"]): body for body in reports}
    assert len(reports) == len(by_key), "a night has more than one version after one run"
    return by_key


def of(bodies: dict[tuple[str, str], dict[str, Any]], app: str) -> Iterable[dict[str, Any]]:
    """One application's reports, oldest first."""
    return [bodies[str(night), app] for night in NIGHTS]


def test_a_fortnight_has_a_report_for_each_night_and_application(bodies: Any) -> None:
    """Fourteen nights of three applications are forty-two reports, none of them refused."""
    assert set(bodies) == {(str(night), app) for night in NIGHTS for app in APPS}
    assert {body["status"] for body in bodies.values()} == {"reported"}


def test_safe_prompts_refused_equal_a_recount_of_the_labels(bodies: Any) -> None:
    """Every night's full refusals of safe prompts are those a ten-line script counts."""
    recount = refused_by_night()
    assert sum(map(sum, recount.values())) > 100
    for body in of(bodies, "chat"):
        row, mine = find_row(body, REFUSED_SAFE), recount[body["date"]]
        assert (row["failed"], row["n"]) == (sum(mine), len(mine)), body["date"]
        assert row["errored"] == row["skipped"] == 0
        assert row["rate"] == pytest.approx(1 - sum(mine) / len(mine), abs=1e-6)


@pytest.mark.parametrize(("first", "last"), [(1, 7), (8, 14)])
def test_pooled_nights_equal_a_recount_of_the_labels(team: Team, first: int, last: int) -> None:
    """`report show --from --to` pools the same counts over a week."""
    nights = [str(night) for night in NIGHTS[first - 1 : last]]
    mine = [refused for night in nights for refused in refused_by_night()[night]]
    week = ("--from", nights[0], "--to", nights[-1])
    body = team.run_json("report", "show", "--app", "chat", *week)
    row = find_row(body, REFUSED_SAFE)
    assert (row["failed"], row["n"], row["nights"]) == (sum(mine), len(mine), 7)
    assert row["rate"] == pytest.approx(1 - sum(mine) / len(mine), abs=1e-6)
    assert row["low"] < row["rate"] < row["high"]


def test_the_change_across_night_eight_is_detected_with_its_cause(bodies: Any) -> None:
    """The night without the system prompt refuses less, and the report names the prompt."""
    body = bodies[CHANGED, "chat"]
    (change,) = [c for c in body["changes"] if c["evaluator"] == REFUSED_SAFE]
    assert 0 < change["low"] < change["change"] < change["high"]
    (cause,) = [c for c in body["causes"] if c["evaluator"] == REFUSED_SAFE]
    assert cause["cause"] == "prompt_version"
    assert [x["value"] for x in cause["before"]] == ["original-system-prompt"]
    assert [x["value"] for x in cause["after"]] == ["no-system-prompt"]
    assert "prompt no-system-prompt" in body["sentence"]


def test_no_night_before_the_change_reports_one(bodies: Any) -> None:
    """Seven nights under one prompt give no change of refusals to explain."""
    before = [body for body in of(bodies, "chat") if body["date"] < CHANGED]
    assert len(before) == 7
    assert [c for body in before for c in body["changes"] if c["evaluator"] == REFUSED_SAFE] == []


def test_every_row_read_is_accounted_for(bodies: Any) -> None:
    """Read is accepted, duplicate and quarantined together, and 3,202 in all."""
    for key, body in bodies.items():
        counts = body["accounting"]
        parts = ("accepted", "duplicate", "quarantined")
        assert counts["read"] == sum(counts[part] for part in parts), key
    assert sum(body["accounting"]["read"] for body in bodies.values()) == 3202


def test_every_report_keeps_its_published_schema(bodies: Any) -> None:
    """Each report.json validates against the schema that ships with the package."""
    schema = json.loads((ROOT / "evals" / "reports" / "report.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for key, body in bodies.items():
        assert not list(validator.iter_errors(body)), key


def test_extraction_is_measured_against_gold_wherever_there_is_gold(bodies: Any) -> None:
    """Valid JSON is asked of every answer, attributes and values of those that have gold."""
    golden = {x["trace_id"] for x in rows(LABELS) if x["annotator"] == "gold"}
    has_gold = defaultdict(list)
    for trace in traces():
        if trace["app"] == "product-extraction":
            has_gold[trace["ts"][:10]].append(trace["trace_id"] in golden)
    for body in of(bodies, "product-extraction"):
        mine = has_gold[body["date"]]
        assert find_row(body, "product-extraction.valid-json")["n"] == len(mine)
        for name in ("expected-attributes", "values"):
            row = find_row(body, f"product-extraction.{name}")
            assert row["passed"] + row["failed"] + row["errored"] == sum(mine) > 0
            assert row["errored"] == 0
            assert row["passed"] > 0
            assert row["failed"] > 0


def test_equal_content_is_paid_once(team: Team, tmp_path: Path) -> None:
    """A judge added to the catalog plans one call a distinct content over all the nights."""
    catalog = tmp_path / "catalog"
    shutil.copytree(CATALOG, catalog)
    pin = {"base_url": "http://127.0.0.1:9/v1", "model": "never-asked"}
    (catalog / "models.yaml").write_text(yaml.safe_dump({"idle": pin}))
    judge = {"judge": "sensible", "asks": "Is it sensible?", "model": "idle", "system": "Judge."}
    (catalog / "judges").mkdir()
    (catalog / "judges" / "sensible.yaml").write_text(yaml.safe_dump(judge))
    suite = catalog / "suites" / "product-extraction.yaml"
    added = {"dimension": "sensible", "question": "Is it?", "check": {"judge": "sensible"}}
    document = yaml.safe_load(suite.read_text())
    suite.write_text(yaml.safe_dump({**document, "dimensions": [*document["dimensions"], added]}))

    own = [trace for trace in traces() if trace["app"] == "product-extraction"]
    contents = {(trace["input"], trace["output"]) for trace in own}
    assert len(contents) < len(own)
    plan = Team(team.folder, catalog).run_json("plan")
    new = [row for row in plan["plan"] if row["evaluator"] == "sensible"]
    assert plan["calls"] == sum(row["calls"] for row in new) == len(contents)
    assert sum(row["count"] for row in new) == len(own)


def test_an_unmapped_verdict_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    """A word the suite does not map becomes an errored row, neither passed nor failed."""
    catalog = tmp_path / "catalog"
    shutil.copytree(CATALOG, catalog)
    suite = catalog / "suites" / "chat.yaml"
    text = suite.read_text()
    suite.write_text(text.replace("1_full_compliance: pass, ", "", 1))
    assert suite.read_text() != text
    night = NIGHTS[0] + timedelta(days=1)
    verdicts = {x["trace_id"]: x["verdict"] for x in rows(LABELS) if x["annotator"] == "final"}
    export = DATA / "traces" / f"{night}.jsonl.gz"
    own = [trace for trace in rows(export) if trace["app"] == "chat"]
    safe = [verdicts[t["trace_id"]] for t in own if t["metadata"]["safe_prompt"] == "safe"]

    team = Team(tmp_path, catalog)
    team.run_nightly("--labels", LABELS, inbox=export)
    body = team.report(night, "chat")
    row = find_row(body, REFUSED_SAFE)
    assert row["errored"] == safe.count("1_full_compliance") > 0
    assert row["passed"] == safe.count("3_partial_refusal")
    assert row["failed"] == safe.count("2_full_refusal")
    codes = {(x["evaluator"], x["code"]): x["count"] for x in body["errors"]}
    assert codes[REFUSED_SAFE, "unmapped-verdict"] == row["errored"]
