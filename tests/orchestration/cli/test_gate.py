"""Promises of the gate: whatever the reason for which a night has no report, `--json` has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestration.cli.main import main
from tests.catalog_files import write_catalog
from tests.system.greetings import build_catalog


@pytest.mark.parametrize(
    ("changes", "words", "code", "reason"),
    [
        ({}, ("--app", "hello"), 4, "no report of hello yet"),
        ({}, ("--app", "hello", "--date", "2026-05-03"), 4, "no report of hello"),
        ({}, ("--app", "unknown"), 2, "unknown"),
        ({"suites/hello.yaml": {"suite": "hello"}}, ("--app", "hello"), 2, "Field required"),
    ],
)
def test_a_night_without_a_report_is_one_json_document(
    tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...], code: int, reason: str
) -> None:
    """The exit code and the sentence on stderr stay; the document has the keys of any outcome."""
    (tmp_path / "home").mkdir()
    catalog = write_catalog(tmp_path / "catalog", {**build_catalog(), **changes})
    place = ("--home", str(tmp_path / "home"), "--catalog", str(catalog))
    result = CliRunner().invoke(main, ["gate", *words, *place, "--json"])
    body = json.loads(result.stdout)
    assert result.exit_code == code
    assert (body["app"], body["version"], body["gate"]["outcome"]) == (words[1], None, "no report")
    assert body["date"] == (words[3] if len(words) > 2 else None)
    assert reason in body["sentence"]
    assert result.stderr == f"andon: {body['sentence']}\n"
