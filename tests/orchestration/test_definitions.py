"""Promises of the code location: eight stages; all assets are owned, described and versioned."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from orchestration.runtime.instance import SETTINGS
from orchestration.runtime.progress import Progress, ignore_progress
from tests.catalog_files import write_catalog

ROOT = Path(__file__).parents[2]
STAGES = {"ingest", "validate", "slices", "evaluate", "guard", "report", "review", "realign"}
FOREIGN = "ignore:sqlglotrs is deprecated"
"""A warning of a dbt dependency that nothing here causes."""


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a machine that has never run Andon, with the demo's catalog."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANDON_")}
    environment.pop("DAGSTER_HOME", None)
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**environment, "ANDON_HOME": str(home), "PATH": programs, "PYTHONPATH": str(ROOT)}


def describe(home: Path, catalog: Path | None = None) -> dict[str, Any]:
    """Dagster's definitions in a new home, loaded with warnings as errors."""
    program = str(Path(__file__).with_name("describe.py"))
    command = [sys.executable, "-W", "error", "-W", FOREIGN, program]
    environment = clean_environment(home) | ({"ANDON_CATALOG": str(catalog)} if catalog else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Dagster's definitions with the demo's catalog."""
    return describe(tmp_path_factory.mktemp("home"))


def test_definitions_are_as_they_were(
    described: dict[str, Any], snapshot: SnapshotAssertion
) -> None:
    """Keys, groups, kinds, owners, tags, lineage, partitions, checks and jobs do not drift."""
    assert {key: described[key] for key in ("assets", "jobs", "schedules")} == snapshot


def test_there_are_eight_stages(described: dict[str, Any]) -> None:
    """Each of the eight stages has assets, and no asset is outside them."""
    assert {asset["group"] for asset in described["assets"].values()} == STAGES


def test_every_asset_is_described(described: dict[str, Any]) -> None:
    """No asset lacks its grain in words, a code version, a kind or an owner."""
    bare = [key for key, prose in described["prose"].items() if not all(prose.values())]
    mute = [key for key, a in described["assets"].items() if not a["kinds"] or not a["owners"]]
    assert len(described["assets"]) > 30
    assert (bare, mute) == ([], [])


def test_every_evaluator_is_an_asset_of_its_own(described: dict[str, Any]) -> None:
    """Each evaluator of the catalog is an asset under `scores/`, with its kind and nights."""
    scores = {k: v for k, v in described["assets"].items() if k.startswith("scores/")}
    kinds = {"assertion", "reference", "judge", "guardrail"}
    assert {kind for asset in scores.values() for kind in asset["kinds"]} == kinds | {"python"}
    assert all(asset["partitions"] for asset in scores.values())
    versions = {described["prose"][key]["code_version"] for key in scores}
    assert len(versions) > len(scores) / 2


def test_the_schedule_requests_the_night_that_has_ended(described: dict[str, Any]) -> None:
    """At five in the morning of the 15th it requests the 14th, not the day just begun."""
    assert described["tick"] == [["2026-10-14", "2026-10-14"]]


def test_dagster_validates_the_workspace_without_a_warning(tmp_path: Path) -> None:
    """`dagster definitions validate` warns of nothing but its own name, and sends nothing home."""
    own = "ignore:Function `definitions_validate_command` is superseded"
    command = [sys.executable, "-W", own, "-m", "dagster", "definitions", "validate"]
    environment = clean_environment(tmp_path / "home") | {
        "DAGSTER_HOME": str(make_dagster_home(tmp_path)),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*command, "-w", "workspace.yaml"],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Validation successful for code location andon" in done.stdout
    assert "warning" not in done.stdout.lower()


def test_dg_checks_and_lists_the_definitions(tmp_path: Path) -> None:
    """`dg check defs` passes, and `dg list defs --json` names what Dagster loads, with its file."""
    dg = [str(Path(sys.executable).with_name("dg"))]
    environment = clean_environment(tmp_path / "home") | {
        "DAGSTER_HOME": str(make_dagster_home(tmp_path))
    }
    outputs: dict[str, str] = {}
    for words in (("check", "defs"), ("list", "defs", "--json")):
        done = subprocess.run(
            [*dg, *words], env=environment, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        outputs[words[0]] = done.stdout
    listed = json.loads(outputs["list"])
    assets = {asset["asset_key"]: asset for asset in listed["assets"]}
    assert assets["traces"]["source"].startswith("orchestration/stages/validate.py:")
    assert assets["rpt_rates"]["source"].startswith("dbt_project/models/marts/quality/")
    assert {one["name"] for one in listed["schedules"]} == {"every_night"}


def make_dagster_home(folder: Path) -> Path:
    """A Dagster instance's folder that sends nothing home."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(SETTINGS)
    return home


def test_a_broken_catalog_loads_and_names_what_is_broken(tmp_path: Path) -> None:
    """Dagster shows file, line and key at the catalog, or at the one application that is broken."""
    check = {"assertion": "regex", "params": {"pattern": "^Hello"}}
    dimension = {"dimension": "polite", "question": "Is it polite?", "check": check}
    odd = {**dimension, "check": {"assertion": "no-such-check"}}
    files: dict[str, Any] = {
        f"{kind}s/{app}.yaml": document
        for app, one in (("chat", dimension), ("cards", odd))
        for kind, document in (
            ("app", {"app": app, "suite": app}),
            ("suite", {"suite": app, "dimensions": [one]}),
        )
    }
    root = write_catalog(tmp_path / "catalog", files)
    one = describe(tmp_path / "one", root)["assets"]
    (root / "apps" / "chat.yaml").write_text("app: chat\nsweet: chat\n")
    whole = describe(tmp_path / "whole", root)
    assert "scores/chat__polite" in one
    assert "scores/cards__polite" not in one
    assert "chat.yaml:2: sweet" in " ".join(whole["broken"].values())
    assert "traces" in whole["assets"]


@pytest.mark.filterwarnings("ignore")  # Dagster's and dbt's own, while they are imported
def test_processes_that_start_at_once_parse_the_dbt_project_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four that find no manifest wait for one parse, by a lock between processes, and read it."""
    from orchestration.runtime import dbt_models

    project = tmp_path / "dbt_project"
    shutil.copytree(dbt_models.DBT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(dbt_models, "DBT", project)
    monkeypatch.setattr(dbt_models, "PARSED", project / "target")
    parses: list[object] = []

    def read_nodes(_: int) -> int:
        return len(json.loads(dbt_models.load_manifest().read_text())["nodes"])

    Progress.start(lambda *progress: parses.append(progress))
    try:
        with ThreadPoolExecutor(4) as pool:
            nodes = set(pool.map(read_nodes, range(4)))
    finally:
        Progress.start(ignore_progress)
    assert len(nodes) == len(parses) == 1
    assert nodes != {0}
