"""Promises of `andon ui`: what a person finds in Dagster and behind its links after a night."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.orchestration.ui import andon_command, find_free_ports

ROOT = Path(__file__).parents[3]
NIGHT = "2026-10-05"
ANSWERS = ROOT / "evals" / "catalog" / "demo" / "inbox" / "traces.jsonl.gz"
PATIENCE_S = 240
pytestmark = pytest.mark.slow

ASSETS = """{ assetNodes {
  assetKey { path } groupName kinds description opVersion isPartitioned isMaterializable
  owners { ... on TeamAssetOwner { team } }
  assetChecksOrError { ... on AssetChecks { checks { name
    executionForLatestMaterialization { status evaluation { metadataEntries { label
      ... on TableMetadataEntry { table { records } } } } } } } }
  assetMaterializations(limit: 1) { partition metadataEntries { __typename label
    ... on UrlMetadataEntry { url }
    ... on PathMetadataEntry { path }
    ... on MarkdownMetadataEntry { mdStr }
    ... on TableColumnLineageMetadataEntry { lineage { columnName
      columnDeps { columnName assetKey { path } } } } } } } }"""
LAUNCH = """mutation ($given: ExecutionParams!) { launchPipelineExecution(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


class Served(NamedTuple):
    """A running `andon ui`."""

    home: Path
    dagster: str
    board: str

    def query(self, query: str, **variables: Any) -> Any:
        """Dagster's answer to a GraphQL query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310
            f"{self.dagster}/graphql", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            result = json.load(answer)
        assert "errors" not in result, result["errors"]
        return result["data"]

    def run(self, job: str, assets: list[list[str]], night: str) -> str:
        """Launches a run of one night as the UI does; returns its final status."""
        selector = {
            "repositoryLocationName": "andon",
            "repositoryName": "__repository__",
            "pipelineName": job,
            **({"assetSelection": [{"path": path} for path in assets]} if assets else {}),
        }
        tags = [{"key": "dagster/partition", "value": night}]
        given = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        launched = self.query(LAUNCH, given=given)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status = self.query(STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            time.sleep(1)
        return "TIMEOUT"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of the demo's extraction, run before any UI was started; one row has no id."""
    folder = tmp_path_factory.mktemp("ui")
    with gzip.open(ANSWERS, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    mine = [r for r in rows if r["app"] == "extraction" and str(r["ts"]).startswith(NIGHT)]
    assert len(mine) > 10
    mine.append({**mine[0], "trace_id": "no-input", "input": None, "output": None})
    (folder / "inbox").mkdir()
    (folder / "inbox" / "night.jsonl").write_text("".join(json.dumps(r) + "\n" for r in mine))
    command = [*andon_command(folder / "home", "nightly"), "--inbox", str(folder / "inbox")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "home"


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Served]:
    """`andon ui` over that home; after SIGTERM, nothing is left running."""
    port = find_free_ports()
    command = [*andon_command(home, "ui"), "--port", str(port)]
    environment = {**os.environ, "ANDON_INBOX": str(home.parent / "inbox")}
    process = subprocess.Popen(command, env=environment)
    running = Served(home, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}")
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None, "andon ui ended"
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                running.query("{ version }")
                break
            assert time.monotonic() < deadline, "andon ui does not answer"
            time.sleep(1)
        yield running
    finally:
        process.terminate()
        assert process.wait(60) == 0
    with pytest.raises(OSError, match="refused"), socket.socket() as client:
        client.connect(("127.0.0.1", port))


@pytest.fixture(scope="module")
def assets(served: Served) -> dict[str, Any]:
    """Each asset as the UI shows it."""
    return {"/".join(a["assetKey"]["path"]): a for a in served.query(ASSETS)["assetNodes"]}


def entries(asset: dict[str, Any]) -> dict[str, Any]:
    """The metadata of an asset's last materialization, by label."""
    return {e["label"]: e for m in asset["assetMaterializations"] for e in m["metadataEntries"]}


def test_every_stage_has_run_where_a_person_can_see_it(assets: dict[str, Any]) -> None:
    """All eight stages are there, and each asset has a materialization with figures."""
    made = {a["groupName"] for a in assets.values() if a["assetMaterializations"]}
    stages = {"ingest", "validate", "slices", "evaluate", "guard", "report", "review", "realign"}
    assert made == stages
    bare = [key for key, asset in assets.items() if not entries(asset)]
    assert [key for key in bare if assets[key]["isMaterializable"]] == []
    assert [key for key, a in assets.items() if not (a["description"] and a["owners"])] == []


def test_great_expectations_show_failed_rows_and_reasons(assets: dict[str, Any]) -> None:
    """The row without an input fails a check of `traces`, which shows the row and its reason."""
    checks = assets["traces"]["assetChecksOrError"]["checks"]
    failed = [
        check
        for check in checks
        if check["executionForLatestMaterialization"]["status"] == "FAILED"
    ]
    assert len(failed) == 1
    result = failed[0]["executionForLatestMaterialization"]["evaluation"]["metadataEntries"]
    shown = {entry["label"]: entry for entry in result}
    assert "no-input" in str(shown["failed"]["table"]["records"])


def test_dbt_tests_are_checks_and_have_run(assets: dict[str, Any]) -> None:
    """The marts' dbt tests are asset checks, and all of them passed."""
    checks = assets["rpt_rates"]["assetChecksOrError"]["checks"]
    assert {c["executionForLatestMaterialization"]["status"] for c in checks} == {"SUCCEEDED"}


def test_columns_have_a_lineage(assets: dict[str, Any]) -> None:
    """The column `passed` of the rates has a lineage to columns of the scores."""
    lineage = entries(assets["rpt_rates"])["dagster/column_lineage"]["lineage"]
    come_from = {c["columnName"]: {d["columnName"] for d in c["columnDeps"]} for c in lineage}
    assert "app" in come_from["app"]
    assert come_from["passed"]
    unknown = [
        key
        for key, asset in assets.items()
        if "dbt" in asset["kinds"] and "dagster/column_lineage" not in entries(asset)
    ]
    assert unknown == []


def test_an_evaluator_shows_a_rate_that_dagster_plots_and_a_table(assets: dict[str, Any]) -> None:
    """An evaluator's materialization has its pass rate as a number and its counts as a table."""
    shown = entries(assets["scores/extraction__valid_json"])
    assert shown["pass_rate"]["__typename"] == "FloatMetadataEntry"
    assert shown["by_application"]["__typename"] == "TableMetadataEntry"


def test_the_schedule_runs_without_being_switched_on(served: Served) -> None:
    """The schedule runs by default when the UI is started."""
    query = """{ schedulesOrError(repositorySelector: {repositoryLocationName: "andon",
        repositoryName: "__repository__"}) { ... on Schedules { results { name description
        scheduleState { status } } } } }"""
    (schedule,) = served.query(query)["schedulesOrError"]["results"]
    assert schedule["scheduleState"]["status"] == "RUNNING"
    assert schedule["description"]


def test_a_report_links_to_its_page(served: Served, assets: dict[str, Any]) -> None:
    """The link of a report made before the UI was started leads to the page `andon ui` serves."""
    shown = entries(assets["reports"])
    link = urlsplit(shown["page/extraction"]["url"])
    assert link.netloc == "127.0.0.1:3001"
    with urllib.request.urlopen(served.board + link.path, timeout=30) as answer:  # noqa: S310
        assert answer.status == 200
        page = answer.read().decode()
    assert Path(shown["file/extraction"]["path"]).read_text() == page
    assert NIGHT in link.path


def test_the_board_is_the_first_page(served: Served) -> None:
    """The board answers at the root of its server, and links nowhere on the network."""
    with urllib.request.urlopen(served.board, timeout=30) as answer:  # noqa: S310
        page = answer.read().decode()
    assert "extraction" in page
    assert "https://" not in page


def test_one_evaluator_of_one_night_can_be_launched(served: Served) -> None:
    """A person materializes one asset's partition in the UI, and it succeeds."""
    assert served.run("__ASSET_JOB", [["scores", "pii"]], NIGHT) == "SUCCESS"


def test_the_nightly_job_of_one_night_can_be_launched(served: Served) -> None:
    """The nightly job, launched in the UI, succeeds and changes no report."""
    before = sorted(served.home.glob("reports/*/*/*/report.json"))
    assert served.run("nightly", [], NIGHT) == "SUCCESS"
    assert sorted(served.home.glob("reports/*/*/*/report.json")) == before
    made = {"/".join(a["assetKey"]["path"]): a for a in served.query(ASSETS)["assetNodes"]}
    assert entries(made["reports"])["page/extraction"]["url"].startswith(served.board)
